/// Fills tables with texts, and changes only what differs.
enum TableScript {
    static let text = #"""
        import { put } from "./live.js";

        // Each row is { cells: [text or [text, class]], kind: class of the row }.
        export function fill(table, rows) {
          const body = table.tBodies[0];
          while (body.rows.length > rows.length) body.deleteRow(-1);
          while (body.rows.length < rows.length) body.insertRow();
          rows.forEach((row, index) => fillRow(body.rows[index], row));
        }

        function fillRow(element, row) {
          if (element.className !== row.kind) element.className = row.kind;
          while (element.cells.length > row.cells.length) element.deleteCell(-1);
          while (element.cells.length < row.cells.length) {
            if (element.cells.length > 0) { element.insertCell(); continue; }
            const head = document.createElement("th");
            head.scope = "row";
            element.append(head);
          }
          row.cells.forEach((cell, index) => {
            const [text, kind] = Array.isArray(cell) ? cell : [cell, ""];
            put(element.cells[index], text, kind);
          });
        }

        """#
}
