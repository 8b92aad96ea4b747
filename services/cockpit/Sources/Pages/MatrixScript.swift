/// The picture of the partitions, on a canvas: a row for each process, a column for each partition,
/// and below the part of the ticks that each partition has.
enum MatrixScript {
    static let text = #"""
        // More rows than people can see are left to the table.
        const rowsMax = 64;
        const row = 20;
        const bars = 48;

        export function drawMatrix(canvas, groups, shares, isStale) {
          const style = getComputedStyle(document.documentElement);
          const color = (name) => style.getPropertyValue(`--${name}`).trim();
          const width = Math.max(280, canvas.clientWidth);
          const names = Math.min(180, width * 0.4);
          const lines = [];
          for (const group of groups) {
            lines.push({ title: `${group.name} (${group.partitions})` });
            for (const member of group.members) lines.push({ member, group });
          }
          const shown = lines.slice(0, rowsMax);
          const tall = shown.length * row + (shares.size ? bars + row : 0) + 8;
          const scale = window.devicePixelRatio || 1;
          canvas.style.height = `${tall}px`;
          canvas.width = Math.round(width * scale);
          canvas.height = Math.round(tall * scale);
          const ink = canvas.getContext("2d");
          ink.setTransform(scale, 0, 0, scale, 0, 0);
          ink.font = "13px system-ui, sans-serif";
          const count = Math.max(1, ...groups.map((group) => group.partitions));
          const wide = (width - names - 4) / count;
          shown.forEach((line, index) => {
            const y = index * row;
            ink.fillStyle = color(line.title ? "muted" : "text");
            if (line.title) return ink.fillText(line.title, 0, y + 15, width);
            ink.fillText(line.member.name, 8, y + 15, names - 16);
            cells(ink, line, names, wide, y, isStale, color);
          });
          if (shares.size) drawShares(ink, shares, names, wide, shown.length * row, isStale, color);
        }

        // What a live process holds is full; what is behind has a gap in its middle; what a silent
        // one held is an outline.
        function cells(ink, line, names, wide, y, isStale, color) {
          const isOld = isStale(line.member);
          const held = new Set(line.member.held);
          const size = Math.max(1, wide - 2);
          for (const { partition, lag } of line.group.rows) {
            const x = names + partition * wide;
            ink.strokeStyle = color("line");
            ink.lineWidth = 0.5;
            ink.strokeRect(x, y + 4, size, row - 8);
            if (!held.has(partition)) continue;
            const isBehind = lag && lag.seconds > 5;
            const name = isOld ? "muted" : isBehind ? "warning" : "good";
            ink.fillStyle = color(name);
            ink.strokeStyle = color(name);
            if (isOld) {
              ink.lineWidth = 2;
              ink.strokeRect(x + 1, y + 5, Math.max(1, size - 2), row - 10);
            } else if (isBehind) {
              ink.fillRect(x, y + 4, size, 3);
              ink.fillRect(x, y + row - 7, size, 3);
            } else ink.fillRect(x, y + 4, size, row - 8);
          }
        }

        function drawShares(ink, shares, names, wide, top, isStale, color) {
          const most = Math.max(0.0001, ...[...shares.values()].map((share) => share.part));
          ink.fillStyle = color("muted");
          ink.fillText("share of the ticks", 0, top + 15, names - 8);
          for (const share of shares.values()) {
            const tall = bars * share.part / most;
            const name = isStale(share) ? "muted" : share.hot ? "warning" : "accent";
            ink.fillStyle = color(name);
            const x = names + share.partition * wide;
            ink.fillRect(x, top + 4 + bars - tall, Math.max(1, wide - 2), tall);
            if (share.hot && wide >= 10) ink.fillText("▲", x, top + 18 + bars, wide);
          }
        }

        """#
}
