"""The shelf of mistakes that Nudge can name, one record each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake: its code, what it is called, how it is told, and what mends it."""

    code: str
    title: str
    told_by: str
    mend: str


GRADIENTS: tuple[Mistake, ...] = (
    Mistake(
        "overwrite",
        "= instead of += on a name used twice",
        "the claim equals the part from one use alone",
        "add up what comes back along every use: x.grad += …",
    ),
    Mistake(
        "overwrite_all",
        "= instead of += everywhere",
        "every name used more than once keeps only one part, the same way in the whole graph",
        "write += wherever a gradient is stored",
    ),
    Mistake(
        "drop_factor",
        "local derivative forgotten",
        "the incoming gradient was passed on unchanged through an operation other than +",
        "multiply the incoming gradient by the operation's own derivative",
    ),
    Mistake(
        "upstream_ignored",
        "upstream gradient ignored",
        "what comes out does not depend on what came in: zero in, not zero out",
        "multiply the local derivative by the gradient that comes in (chain rule)",
    ),
    Mistake(
        "sign_op",
        "sign lost at an operation",
        "the claim is what a local derivative with the other sign gives",
        "look for the minus: a - b gives b the gradient -1, cos gives -sin, 1/b gives -1/b**2",
    ),
    Mistake(
        "sign_component",
        "sign of one gradient turned around",
        "one claim is the true number times -1",
        "check the sign of this one, from the output back to it",
    ),
    Mistake(
        "sign_all",
        "sign of the whole gradient turned around",
        "every claim is the true number times -1",
        "start backward with +1, and keep the step of the optimiser out of the gradient",
    ),
    Mistake(
        "input_not_output",
        "input where the output belongs",
        "the derivative was written with x where the formula needs y = f(x)",
        "tanh: 1 - y**2, exp: y, sigmoid: y*(1 - y), with y the output",
    ),
    Mistake(
        "output_not_input",
        "output where the input belongs",
        "the derivative was written with y where the formula needs x",
        "log: 1/x, with x the input",
    ),
    Mistake(
        "sigmoid_factor",
        "sigmoid without 1 - y",
        "the local derivative is y alone",
        "sigmoid: y*(1 - y)",
    ),
    Mistake(
        "swap_mul",
        "own value instead of the other factor's",
        "each factor of a product got its own value for a derivative",
        "in a*b, a gets b times the gradient, and b gets a times it",
    ),
    Mistake(
        "swap_operands",
        "operands exchanged",
        "each input of an operation got the other's gradient",
        "give them back in the order of the inputs",
    ),
    Mistake(
        "pow_off_by_one",
        "exponent not lowered",
        "the claim fits b*a**b",
        "a**b has the derivative b*a**(b - 1)",
    ),
    Mistake(
        "pow_no_coef",
        "exponent lost as a factor",
        "the claim fits a**(b - 1)",
        "a**b has the derivative b*a**(b - 1)",
    ),
    Mistake(
        "div_no_square",
        "denominator not squared",
        "the claim fits -a/b",
        "a/b has the derivative -a/b**2 for b",
    ),
    Mistake(
        "factor2",
        "twice or half of everything",
        "all claims are the truth times 2 or 1/2",
        "look for a square, or a loss with a 1/2, whose factor was lost or counted twice",
    ),
    Mistake(
        "common_factor",
        "one factor between all claims and the truth",
        "the ratio is the same everywhere, and often has a name: 1/n, n, pi/180, the output",
        "look where the whole gradient was scaled",
    ),
    Mistake(
        "mean_factor",
        "the 1/n of a mean is missing",
        "all claims are n times too large, n the number of entries or samples",
        "divide by n in the backward of the mean",
    ),
    Mistake(
        "square_factor",
        "the 2 of a square is missing",
        "all that comes from a squared error is half of what it should be",
        "(p - t)**2 has the derivative 2*(p - t)",
    ),
    Mistake(
        "relu_mask",
        "mask of relu missing or turned around",
        "the gradient passes where the input is negative, or stops where it is positive",
        "pass the gradient where the input is positive, and only there",
    ),
    Mistake(
        "mask_from_gradient",
        "mask taken from the gradient",
        "what passes depends on the sign of the gradient that came in",
        "the mask depends on the input: where(x > 0, g, 0)",
    ),
    Mistake(
        "max_both",
        "both arguments of max got the gradient",
        "each got all of it",
        "only the larger argument moves the result; on a tie share it",
    ),
    Mistake(
        "max_wrong_branch",
        "the other argument of max got the gradient",
        "the smaller argument got it all",
        "give it to the argument that was chosen",
    ),
    Mistake(
        "softmax_diagonal",
        "only the diagonal of softmax",
        "the claim fits g*y*(1 - y)",
        "y*(g - sum(g*y)): the outputs are coupled",
    ),
    Mistake(
        "matmul_transpose",
        "a transpose missing in a matrix product",
        "the claim fits without it",
        "for y = a @ b: a gets g @ b.T, b gets a.T @ g",
    ),
    Mistake(
        "transposed",
        "gradient transposed",
        "the claim is the transposed truth",
        "a gradient has the shape of its input, in the same order",
    ),
    Mistake(
        "summed_over_axis",
        "broadcasting not undone rightly",
        "the claim is a sum over another axis, or a part of the sum",
        "sum over the axes along which the input was repeated",
    ),
    Mistake(
        "graph_cut",
        "graph cut",
        "a gradient of zero where the output does move",
        "look for .data, .detach(), float() or a copy on the way",
    ),
    Mistake(
        "missing",
        "no gradient arrived",
        "the claim is 0, the slope is not",
        "look for a use of this name that was overlooked",
    ),
    Mistake(
        "ones",
        "every gradient 1",
        "all claims are 1",
        "multiply local derivatives along the way from the output",
    ),
    Mistake(
        "wrong_variable",
        "gradients of two names exchanged",
        "each of two claims is the other's number",
        "write each number beside its own name",
    ),
    Mistake(
        "permuted",
        "right numbers in another order",
        "the claims are the true numbers, reordered",
        "write each number beside its own name",
    ),
    Mistake(
        "typing_slip",
        "a slip of the pen",
        "one claim differs from the truth by a decimal point, a digit, or is its neighbour",
        "type this number again",
    ),
    Mistake(
        "too_few_digits",
        "too few digits",
        "the claims are the truth, rounded",
        "give as many digits as the tolerance asks for",
    ),
    Mistake(
        "other_function",
        "derivative of another function",
        "the local derivative is exactly that of another operation",
        "use the derivative of the function of the forward pass",
    ),
    Mistake(
        "wrong_rule",
        "a rule that fits a formula",
        "everything fits if a local derivative is another formula, which is named",
        "compare the formula with the true one",
    ),
    Mistake(
        "local_derivative",
        "one local derivative is another number",
        "everything fits if one local derivative has another value, which is given",
        "work out this one derivative again",
    ),
    Mistake(
        "forward_value",
        "a slip in the forward pass",
        "everything fits if one value were another number, which is given",
        "work out this value again",
    ),
    Mistake(
        "finite_difference",
        "difference quotient instead of derivative",
        "the claims are difference quotients with a step that is named",
        "differentiate, or take a smaller step and both sides",
    ),
    Mistake(
        "other_recipe",
        "something other than the gradient",
        "the claims are another function of the true gradients, such as x*df/dx",
        "give the derivative of the output by each input",
    ),
    Mistake(
        "pair",
        "two mistakes together",
        "no single mistake fits, two listed ones do",
        "mend the two one after the other",
    ),
    Mistake(
        "upstream_not_linear",
        "not linear in the upstream gradient",
        "twice the incoming gradient does not give twice the result",
        "a backward rule multiplies g by something that does not depend on g",
    ),
    Mistake(
        "unlisted_rule",
        "a rule that behaves like another formula",
        "the rule agrees everywhere with a formula that is named",
        "compare the formula with the true one",
    ),
    Mistake(
        "mask_missing",
        "mask missing",
        "right where the slope is not 0, and not 0 where it is",
        "multiply by a comparison of the input, such as (x > 0)",
    ),
    Mistake(
        "mask_inverted",
        "mask turned round",
        "0 exactly where the gradient should pass",
        "turn the comparison round",
    ),
    Mistake(
        "one_sided",
        "right on one side of a kink only",
        "right at all points on one side, wrong on the other",
        "mend the branch for the other side",
    ),
    Mistake(
        "wrong_constant",
        "another constant",
        "one number changed in the rule makes it right",
        "write the constant that is named",
    ),
    Mistake(
        "wrong_function",
        "another function in the rule",
        "one function changed in the rule makes it right",
        "write the function that is named",
    ),
    Mistake(
        "rule_twice",
        "slope applied twice",
        "the rule gives the square of the slope",
        "multiply by the local derivative once",
    ),
    Mistake(
        "reciprocal",
        "upside down",
        "the rule gives 1 over the slope, or divides where it should multiply",
        "turn it over",
    ),
    Mistake(
        "no_value",
        "no number",
        "the rule gives nan or infinity where the forward has a slope",
        "write it so that it has a value there",
    ),
    Mistake(
        "overflow",
        "overflow",
        "a value exceeds what float64 can hold",
        "keep the exponent small, or use the stable form where one is named",
    ),
    Mistake(
        "log_of_zero",
        "logarithm of zero",
        "a probability underflows to 0 before its logarithm is taken",
        "keep the argument above 0, or use the stable form where one is named",
    ),
    Mistake(
        "division_by_zero",
        "division by zero",
        "a denominator is 0",
        "look how the denominator can become 0",
    ),
    Mistake(
        "outside_domain",
        "outside the domain",
        "an operation is asked for a value where it has none",
        "look how the argument got there",
    ),
)
"""Mistakes that a claimed gradient or a backward rule reveals."""

TRAINING: tuple[Mistake, ...] = (
    Mistake(
        "forgotten_zero_grad",
        "gradients not zeroed between steps",
        "the gradient of step k is the running sum of the gradients of all steps so far",
        "call zero_grad() before each backward()",
    ),
    Mistake(
        "stale_graph",
        "old gradients left inside the graph",
        "a second backward pass over the same graph gives another gradient than the first",
        "zero the gradients of intermediate values too, or build the graph anew",
    ),
    Mistake(
        "update_before_backward",
        "update out of turn",
        "the order of events, or parameters that move along the gradient of the step before",
        "keep the order: zero_grad, forward, loss, backward, update",
    ),
    Mistake(
        "ascent",
        "walking uphill",
        "steps along the gradient instead of against it, while the loss rises",
        "subtract the learning rate times the gradient, with a positive learning rate",
    ),
    Mistake(
        "never_updated",
        "a parameter that is never updated",
        "a value that stays the same to the bit although its gradient does not vanish",
        "give the optimiser every parameter",
    ),
    Mistake(
        "equal_weights",
        "neurons that start as copies",
        "equal weights and equal gradients of all neurons of a layer",
        "start the weights from random numbers",
    ),
    Mistake(
        "targets_out_of_range",
        "targets that the output cannot reach",
        "the range of the output activation against the targets, or the scores, that are asked for",
        "take a linear output, or scale the targets into the range",
    ),
    Mistake(
        "step_too_large",
        "learning rate too large",
        "a loss that rises and a rate beyond the cliff 2/λ, or smaller rates that do better",
        "take a rate below the cliff, half of it for a start",
    ),
    Mistake(
        "step_too_small",
        "learning rate too small",
        "many more steps needed than planned at this pace, and larger rates that do better",
        "take a larger rate, up to half the cliff 2/λ",
    ),
    Mistake(
        "dead_relu",
        "dead relu neurons",
        "the share of a layer's neurons that give 0 for every sample",
        "take smaller steps, smaller starting weights or biases nearer to 0",
    ),
    Mistake(
        "saturated",
        "saturated neurons",
        "the share of a hidden layer's outputs at the flat ends of tanh or sigmoid",
        "scale the inputs, or start with smaller weights",
    ),
    Mistake(
        "loss_at_chance",
        "no better than guessing",
        "the loss of the best constant guess, and one answer to every sample",
        "look at the data, the starting weights and what else was found",
    ),
    Mistake(
        "non_finite_training",
        "numbers that are not finite",
        "the first step and the first operation whose value is infinite or not a number",
        "take the stable form of the operation, or smaller steps",
    ),
)
"""Mistakes that the record of a training run reveals."""

MISTAKES: Mapping[str, Mistake] = MappingProxyType({m.code: m for m in (*GRADIENTS, *TRAINING)})
