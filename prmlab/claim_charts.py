"""Claims about differences as one figure: each with its interval, its verdict and a line at zero.

What is drawn was computed elsewhere (`curves.difference`, `intervals.verdict`); knows no data.
"""

from collections.abc import Mapping, Sequence

from prmlab import theme
from prmlab.intervals import verdict
from prmlab.markup import COLOURS

# A verdict by mark, word and colour.
_MARKS = {"confirmed": ("circle", "right"), "refuted": ("x", "wrong"),
          "undecided": ("diamond", "unknown")}


def differences(results: Mapping[str, Sequence[float]], *, title: str = "Claims",
                x_title: str = "difference in share of problems solved") -> theme.Figure:
    """Differences that are claimed to be above 0, in the order given, from the top.

    Args:
        results: by claim, its difference and the ends of its interval: `(mean, low, high)`.

    Raises:
        ValueError: if there is none, or one has not three numbers.

    Example:
        >>> differences({"higher": (0.04, 0.02, 0.06), "wider": (0.01, -0.02, 0.03)})
        Of 2 claims 1 confirmed, 0 refuted, 1 undecided (wider). Lines are 95 % intervals.
    """
    if not results or any(len(row) != 3 for row in results.values()):
        raise ValueError("each claim needs a difference and the ends of its interval, three "
                         f"numbers; got {dict(results)!r}")
    found = {name: verdict(low, high) for name, (_, low, high) in results.items()}
    names = [*results][::-1]  # categories are drawn from below, in the order first met
    ends = [end for row in results.values() for end in row]
    room = 0.08 * (max(*ends, 0) - min(*ends, 0)) or 0.05
    fig = theme.figure(title, height=150 + 34 * len(names))
    fig.add_scatter(x=[0] * len(names), y=names, mode="lines", hoverinfo="skip",
                    line={"color": theme.STYLES[2].colour, "dash": "dot", "width": 1.5},
                    name="no difference", showlegend=False)
    for word, (symbol, colour) in _MARKS.items():
        rows = {name: results[name] for name in results if found[name] == word}
        if rows:
            mean, low, high = zip(*rows.values(), strict=True)
            ink = COLOURS[colour].light
            fig.add_scatter(
                x=mean, y=list(rows), mode="markers", name=word,
                marker={"color": ink, "symbol": symbol, "size": 10},
                error_x={"array": [h - m for m, h in zip(mean, high, strict=True)],
                         "arrayminus": [m - a for m, a in zip(mean, low, strict=True)],
                         "color": ink, "width": 0, "thickness": 1.5},
                hovertemplate="%{y}: %{x:+.3f}<extra>" + word + "</extra>")
    fig.update_xaxes(title_text=x_title, range=[min(*ends, 0) - room, max(*ends, 0) + room])
    fig.update_layout(margin={"l": 24 + 7 * max(map(len, names))})
    return theme.Figure(fig, _sentence(found))


def _sentence(found: Mapping[str, str]) -> str:
    said = {word: [name for name in found if found[name] == word] for word in _MARKS}
    parts = [f"{len(said[word])} {word}" + (f" ({'; '.join(said[word])})" if said[word] else "")
             for word in ("refuted", "undecided")]
    return (f"Of {len(found)} claims {len(said['confirmed'])} confirmed, {', '.join(parts)}. "
            "Lines are 95 % intervals.")
