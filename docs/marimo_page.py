"""A marimo page: where in an episode are its best clips? docs/jupyter.md says how to open it."""

import marimo

app = marimo.App(app_title="Where in an episode are its best clips?")


@app.cell
def _():
    import marimo as mo

    from clipmart.notebook import BLUE, charts, open_data

    alt, con = charts(), open_data()
    return BLUE, alt, con, mo


@app.cell
def _(con, mo):
    _shows = con.execute(
        "SELECT DISTINCT show_name FROM reports.clips WHERE show_name IS NOT NULL ORDER BY ALL"
    ).fetchall()
    show = mo.ui.dropdown(
        {"all shows": None, **{name: name for (name,) in _shows}}, "all shows", label="Show"
    )
    mo.vstack([mo.md("# Where in an episode are its best clips?"), show])
    return (show,)


@app.cell
def _(con, show):
    # The chart and the sentence below follow the show that is chosen above.
    tenths = con.execute(
        """
        SELECT
          least(floor(position * 10), 9)::INT * 10 AS percent,
          count(*) AS clips,
          avg(score) AS mean_score
        FROM reports.clips
        WHERE position IS NOT NULL AND score IS NOT NULL
          AND ($show::TEXT IS NULL OR show_name = $show)
        GROUP BY percent
        ORDER BY percent
        """,
        {"show": show.value},
    ).df()
    return (tenths,)


@app.cell
def _(BLUE, alt, tenths):
    alt.Chart(tenths, title="How do clips score by where they start?").mark_bar(color=BLUE).encode(
        alt.X("percent:O", title="where the clip starts (% of the episode)").axis(labelAngle=0),
        alt.Y("mean_score:Q", title="mean score (points)"),
    )


@app.cell
def _(mo, tenths):
    answer = "There is no scored clip whose place in its episode is known."
    if len(tenths):
        _best = tenths.loc[tenths["mean_score"].idxmax()]
        answer = (
            f"Clips that start between {_best['percent']:.0f} and {_best['percent'] + 10:.0f} % of "
            f"the episode score best: {_best['mean_score']:.1f} points on average. Clips: "
            f"{_best['clips']:.0f}. The fewer they are, the more of it is luck."
        )
    mo.md(answer)
    return (answer,)


if __name__ == "__main__":
    app.run()
