"""The grid as a form: a field per cell, for people without JavaScript."""

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from forecasts.forms import CellForm
from forecasts.grid import Grid, Row
from forecasts.grid_html import pills
from masterdata.models.customers import RISK_CLASSES, RISK_LABELS
from sop_portal.lib import periods


def table(grid: Grid, form: CellForm) -> SafeString:
    """The table of fields; refused ones carry their sentence and keep the text typed."""
    months = format_html_join(
        "",
        '<th scope="col" class="p {}"><span class="m">{}</span><span class="y">{}</span></th>',
        (
            ("mand" if n < grid.cycle.mandatory else "opt", f"{period:%b}", period.year)
            for n, period in enumerate(grid.cycle.periods)
        ),
    )
    return format_html(
        '<table class="grid w9 no-avg no-last12 no-next12 no-vs"><caption class="visually-hidden">{} of {} in {}</caption>'
        '<thead><tr><th scope="col" class="g-prod">Product</th><th scope="col" class="g-risk">Risk</th>{}</tr></thead>'
        "<tbody>{}</tbody></table>",
        grid.show.capitalize(),
        grid.customer.label,
        grid.cycle,
        months,
        format_html_join("", "{}", ((_row(grid, row, form),) for row in grid.all_rows)),
    )


def _row(grid: Grid, row: Row, form: CellForm) -> SafeString:
    line = row.line
    hidden = format_html(
        '<input type="hidden" name="r-{0}" value="{1}"><input type="hidden" name="o-{0}" value="{2}">',
        line.pk, form.revision(row), form.originals(row),
    )  # fmt: skip
    return format_html(
        '<tr class="g-row" id="l{}"><th scope="row" class="g-prod" title="{}"><div><span class="code">{}</span>'
        ' <span class="name">{}</span>{}{}</div></th><td class="g-risk">{}</td>{}</tr>',
        line.pk,
        line.product.description,
        line.product.item_code,
        line.product.description,
        pills(row),
        hidden if row.editable else "",
        _risk(row, form) if row.editable else RISK_LABELS[line.risk_class],
        format_html_join("", "{}", ((cell,) for cell in _cells(grid, row, form))),
    )


def _risk(row: Row, form: CellForm) -> SafeString:
    options = format_html_join(
        "",
        '<option value="{}"{}>{}</option>',
        ((value, " selected" if value == form.risk(row) else "", label) for value, label in RISK_CLASSES),
    )
    return format_html(
        '<select name="k-{}" aria-label="Risk class of {}">{}</select>',
        row.line.pk,
        row.line.product.description,
        options,
    )


def _cells(grid: Grid, row: Row, form: CellForm) -> list[SafeString]:
    line, cells = row.line, []
    troubled = {problem.position: problem.sentence for problem in row.problems if problem.kind == "blank"}
    values = form.values(row)
    typed = form.typed(row) if row.editable else {}
    for n, period in enumerate(grid.cycle.periods):
        if not row.editable:
            cells.append(format_html('<td class="c ro">{}</td>', values[n]))
            continue
        name = form.name(line.pk, n)
        error = form.errors.get(name, "")
        if not error and form.renewed and n in typed:
            error = f"Now '{values[n]}' stands here; yours is kept until you save again."
        cells.append(
            format_html(
                '<td class="c{}"><input id="l{}-{}" name="{}" value="{}" inputmode="decimal" autocomplete="off" maxlength="60"'
                ' aria-label="{}, {}"{}></td>',
                " bad" if error else " missing" if n in troubled and n not in typed else "",
                line.pk,
                form.keys[n],
                name,
                typed.get(n, values[n]),
                line.product.description,
                periods.long_label(period),
                format_html(' aria-invalid="true" aria-describedby="e-{}" title="{}"', name, error) if error else "",
            )
        )
    return cells
