"""The tables of the reference, drawn from the code: one file for each page, text in Markdown.

A page asks for them between cog marks; `./run golden` writes them anew, `./run check` compares.
"""
