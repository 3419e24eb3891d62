"""Medians, ratios, marks; the table for the terminal, the same as Markdown, a bar chart as SVG."""

import statistics
from html import escape
from math import log10

SYNCED_WINDOW = 1000


class Figures:
    """The medians of all runs, by row, peer and key."""

    def __init__(self, results, syncs):
        self.results = results
        self.syncs = syncs

    def spread(self, row, peer, key):
        """(median, least, most), or None where nothing was measured."""
        if key == "messages_per_sync":
            value = self.messages_per_sync(peer)
            return None if value is None else (value, value, value)
        values = [run[key] for run in self.results.get(row, {}).get(peer, []) if key in run]
        return (statistics.median(values), min(values), max(values)) if values else None

    def median(self, row, peer, key):
        spread = self.spread(row, peer, key)
        return spread[0] if spread else None

    def messages_per_sync(self, peer):
        counted = self.syncs.get(peer)
        if counted is None:
            return None
        return counted["messages"] / counted["syncs"] if counted["syncs"] else float("inf")

    def synced(self, peer):
        """Whether it synced before it confirmed: then no more than a window of messages shares one sync."""
        ratio = self.messages_per_sync(peer)
        if ratio is None:
            return "?"
        if ratio == float("inf"):
            return "no (no sync at all)"
        return f"{'yes' if ratio <= SYNCED_WINDOW else 'no'} ({ratio:,.0f} messages a sync)"


def judge(mark, figures):
    """(reached, text); reached is None where something is missing to tell."""
    value = figures.median(mark.row, mark.peer, mark.key)
    limit, against = mark.factor, ""
    if mark.against:
        found = []
        for other in mark.against:
            row, peer = other if isinstance(other, tuple) else (mark.row, other)
            base = figures.median(row, peer, mark.key)
            if base is not None:
                found.append((base, peer))
        base, against = (max if mark.at_least else min)(found) if found else (None, "/".join(
            peer if isinstance(peer, str) else peer[1] for peer in mark.against))
        limit = None if base is None else base * mark.factor
    sign = "at least" if mark.at_least else "at most"
    wanted = f"{sign} {number(mark.factor)}" + (f" times {against}" if mark.against else "")
    name = f"{mark.row} {mark.key}" + ("" if mark.peer == "folkmoot" else f" ({mark.peer})")
    if value is None or limit is None:
        return None, f"{name}: {wanted}: not measured"
    reached = value >= limit if mark.at_least else value <= limit
    got = f"{number(value)}" + (f", which is {number(value / base)} times" if mark.against and base else "")
    bare = figures.median(mark.row, mark.bare, mark.key)
    if not reached and bare is not None:
        got += f"; without a broker ({mark.bare}): {number(bare)}, which is {number(bare / base)} times"
    return reached, f"{name}: {wanted}: {got}"


def number(value):
    if value == float("inf"):
        return "no sync"
    if value >= 1e6:
        return f"{value / 1e6:.3g} M"
    if value >= 1e4:
        return f"{value / 1e3:.3g} k"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def spread_text(spread):
    median, least, most = spread
    return number(median) if least == most else f"{number(median)} ({number(least)}-{number(most)})"


def table_of(row, peers, figures, failures):
    """The row's table as lists of cells: a figure, then folkmoot's divided by it."""
    columns = [c for c in row.columns if any(figures.spread(row.name, peer, c.key) for peer in peers)]
    with_ratio = "folkmoot" in figures.results.get(row.name, {}) and len(peers) > 1
    head = [""]
    for column in columns:
        head.append(column.title)
        if with_ratio:
            head.append("folkmoot/it")
    if row.synced:
        head.append("synced before the confirm")
    lines = [head]
    for peer in peers:
        if not figures.results.get(row.name, {}).get(peer):
            reason = failures.get(row.name, {}).get(peer)
            if reason:
                lines.append([peer, "failed: " + reason.splitlines()[0]])
            continue
        cells = [peer]
        for column in columns:
            spread = figures.spread(row.name, peer, column.key)
            cells.append(spread_text(spread) if spread else "")
            if with_ratio:
                own = figures.median(row.name, "folkmoot", column.key)
                comparable = spread and own is not None and spread[0] > 0 and peer != "folkmoot"
                cells.append(f"{own / spread[0]:.2f}" if comparable else "")
        if row.synced:
            cells.append(figures.synced(peer))
        lines.append(cells)
    return lines


def plain(lines):
    widths = [max(len(line[i]) for line in lines if len(line) == len(lines[0])) for i in range(len(lines[0]))]
    return "\n".join("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
                     if len(line) == len(lines[0]) else "  " + "  ".join(line) for line in lines)


def markdown(lines):
    width = len(lines[0])
    rows = ["| " + " | ".join(line + [""] * (width - len(line))) + " |" for line in lines]
    return "\n".join([rows[0], "|" + "---|" * width, *rows[1:]])


def marks_lines(marks, figures, measured):
    """(lines, missed): every mark of the rows that ran."""
    lines, missed = [], 0
    for mark in marks:
        if mark.row not in measured:
            continue
        reached, text = judge(mark, figures)
        lines.append(("reached" if reached else "MISSED" if reached is False else "open   ", text))
        missed += reached is False
    return lines, missed


def document(text, table, start="<!-- figures -->", end="<!-- end of figures -->"):
    """`text` with what stands between the two markers replaced."""
    if start not in text or end not in text:
        raise ValueError(f"the markers {start} and {end} are not in the document")
    before, rest = text.split(start, 1)
    return before + start + "\n" + table.strip() + "\n" + end + rest.split(end, 1)[1]


def plot(rows, peers_of, figures, title):
    """Horizontal bars, logarithmic: how many times folkmoot's first figure of a row is better than each peer's."""
    bars = []
    for row in rows:
        column = row.columns[0]
        own = figures.median(row.name, "folkmoot", column.key)
        if not own:
            continue
        for peer in peers_of(row):
            base = figures.median(row.name, peer, column.key)
            if base and peer != "folkmoot" and base > 0:
                bars.append(
                    (row.title, f"{column.title} against {peer}", own / base if column.more_is_better else base / own))
    left, width, step = 520, 420, 20
    least = min([0.1, *(value for *_, value in bars)])
    most = max([10.0, *(value for *_, value in bars)])
    x = lambda value: left + width * (log10(value) - log10(least)) / (log10(most) - log10(least))
    height = 60 + sum(step for _ in bars) + step * len({bar[0] for bar in bars})
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 80}" height="{height}" '
           'font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="10" y="22" font-size="15">{escape(title)}</text>']
    tick = 10.0 ** int(log10(least) - (1 if least < 1 else 0))
    while tick <= most:
        if tick >= least:
            colour = "#444" if tick == 1 else "#ddd"
            out.append(f'<line x1="{x(tick):.1f}" y1="34" x2="{x(tick):.1f}" y2="{height - 8}" stroke="{colour}"/>')
            out.append(f'<text x="{x(tick):.1f}" y="44" text-anchor="middle" fill="#666">{tick:g}x</text>')
        tick *= 10
    y, group = 48, None
    for name, label, value in bars:
        if name != group:
            y, group = y + step, name
            out.append(f'<text x="10" y="{y}" font-weight="bold">{escape(name)}</text>')
        y += step
        low, high = sorted((x(1), x(value)))
        colour = "#2a7f62" if value >= 1 else "#b4452c"
        out.append(f'<text x="{left - 10}" y="{y}" text-anchor="end">{escape(label)}</text>')
        out.append(f'<rect x="{low:.1f}" y="{y - 11}" width="{max(1.0, high - low):.1f}" height="13" fill="{colour}"/>')
        out.append(f'<text x="{high + 4:.1f}" y="{y}">{value:.2f}</text>')
    return "\n".join(out + ["</svg>", ""])
