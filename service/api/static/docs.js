const place = document.getElementById("api");

SwaggerUIBundle({
  domNode: place,
  url: place.dataset.spec,
  deepLinking: true,
  validatorUrl: null, // else a description served from a public name is sent to a validator
});
