"""One file and one template a page; it is served because it is here.

A page has `PATH`, its address, and `view(cache, request)`, which gives what fills its template, or an answer of its own.
With `TAB` it has a name in the row of tabs at the top. See docs/adding-a-page.md.
"""
