"""Texts as strangers may write them: hostile ones, and honest ones that look a little like them."""

HTML = [
    "<script>document.title = 'owned'</script>",
    "<img src=x onerror=\"document.title = 'owned'\">",
    "<a href='https://evil.example/'>Approve all</a>",
    "</td></tr></table><iframe src='https://evil.example/'></iframe>",
    "<style>body { display: none }</style>",
    "<svg onload=\"document.title = 'owned'\"></svg>",
]
LATEX = [
    r"$\href{https://evil.example/}{\text{Approve all}}$",
    r"$$\href{javascript:document.title='owned'}{x}$$",
    r"\(\style{position:fixed;inset:0;background:red}{\text{over all}}\)",
    r"\[\rule{3000px}{2000px}\]",
    r"\begin{equation}\class{evil}{x}\end{equation}",
]
MARKDOWN = ["[Approve all](https://evil.example/)", "![x](https://evil.example/x.png)", "# Heading", "`x` **y** | z |"]
CONTROLS = [
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;https://evil.example/\x1b\\Approve all\x1b]8;;\x1b\\",
    "\x1b[2J\x1b]0;owned\x07",
    "photo\u202egnp.exe",
    "\u2066isolated",
    "calm\r\n2026-01-01 00:00:00 ERROR mephisto_nb: forged",
    "line\u2028next",
    "a\x00b\x7f\x9b31m",
    "\ud800",
]
FORMULAS = [
    '=HYPERLINK("https://evil.example/";"ok")',
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\u00a0=1+1",
    "\u200b=1+1",
    "\ufeff=1+1",
    '"=1+1',
    "'=1+1",
    "''=1+1",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20SUM(A1)",
    "\x01=1+1",
]
HONEST = [
    "It costs $5 in town and $8 at sea",
    r"a \(small\) thing",
    "snake_case_name and *stars*",
    "'tis so",
    "“quoted” – déjà vu, 日本, שלום",
    "1 < 2 & 3 > 2",
    "\N{FAMILY}\u200d\N{GIRL}",
]
HOSTILE = [*HTML, *LATEX, *MARKDOWN, *CONTROLS, *FORMULAS]
EVERYTHING = [*HOSTILE, *HONEST]
