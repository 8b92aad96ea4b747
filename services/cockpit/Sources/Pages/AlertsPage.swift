/// The fifth page: which alerts fire now, with their runbooks.
enum AlertsPage {
    static let html = PageFrame.html(
        "Alerts", current: "Alerts", script: "alerts.js",
        """
        <section aria-labelledby="alerts-head">
        <h2 id="alerts-head">What does Prometheus say?</h2>
        <p id="words" class="unknown">Not known: waiting for the first news.</p>
        \(PageFrame.table(
            "alerts", "Alerts that fire, or will unless it ends",
            ["Alert", "Severity", "State", "Since", "Summary", "Of", "Runbook", "Where to look"]))
        </section>
        <section aria-labelledby="troubles-head">
        <h2 id="troubles-head">What does the cockpit itself see?</h2>
        <p id="own" class="unknown">Not known: waiting for the first news.</p>
        \(PageFrame.table(
            "troubles", "Troubles of the verdict",
            ["Trouble", "Level", "Runbook", "Where to look"]))
        </section>
        """)

    static let script = #"""
        import { startWith, age, isStale, span, put, doubt } from "./live.js";
        import { fill } from "./table.js";

        const names = { "./": "Overview", gaps: "Gaps", partitions: "Partitions", store: "Store",
          dead: "Dead letters", feeds: "Feeds" };
        const kinds = { critical: "bad", bad: "bad", warning: "warning" };

        function since(time, now) {
          const begun = Date.parse(time) / 1000;
          return Number.isFinite(begun) ? `${time.slice(0, 19)}Z, ${span(now - begun)} ago` : "–";
        }

        function runbook(item) {
          if (!item.runbook && !item.runbook_url) return "–";
          const text = item.runbook ? `docs/runbooks/${item.runbook}.md` : "runbook";
          return [text, "", item.runbook_url];
        }

        const page = (item) => (item.page ? [names[item.page], "", item.page] : "–");

        function words(look, prometheus) {
          if (!look) return [`Not known: ${doubt()}.`, "unknown"];
          if (!prometheus) {
            return ["No Prometheus is named (COCKPIT_PROMETHEUS), so its alerts are not known. "
              + "What the cockpit itself sees is below.", ""];
          }
          if (isStale(prometheus)) {
            const why = doubt() || prometheus.absence || "the answer is old";
            return [`Not known: ${why}.`, "unknown"];
          }
          const firing = prometheus.items.filter((item) => item.firing).length;
          const more = prometheus.total > prometheus.items.length
            ? `, of ${prometheus.total} of which the worst are shown` : "";
          const asked = ` Asked ${span(age(prometheus.at))} ago.`;
          if (!prometheus.watchdog) {
            return ["The alert Watchdog, which always fires, does not: this Prometheus has not "
              + `evaluated the shipped rules. ${firing} alerts fire${more}.${asked}`, "warning"];
          }
          if (!prometheus.total) return [`No alert fires.${asked}`, "good"];
          const pending = prometheus.items.length - firing;
          return [`${firing} alerts fire, ${pending} will unless it ends${more}.${asked}`,
            firing ? "bad" : "warning"];
        }

        function showAlerts(look, prometheus) {
          put(document.getElementById("words"), ...words(look, prometheus));
          const items = (look && prometheus && prometheus.items) || [];
          const isOld = !prometheus || isStale(prometheus);
          const now = look ? Date.parse(look.time) / 1000 : 0;
          fill(document.getElementById("alerts"), items.map((item) => ({
            kind: isOld ? "stale" : "",
            cells: [
              item.name, [item.severity || "–", isOld ? "" : kinds[item.severity] || ""],
              isOld ? ["? not known", "unknown"]
                : item.firing ? ["✕ fires", "bad"] : ["◌ pending", "warning"],
              since(item.since, now), item.summary || "–", item.labels.join(", ") || "–",
              runbook(item), page(item),
            ],
          })));
        }

        function showTroubles(look, news) {
          const isOld = !look || isStale(news);
          const troubles = (look && news.troubles) || [];
          const text = isOld ? [`Not known: ${doubt() || "the answer is old"}.`, "unknown"]
            : troubles.length ? [`${troubles.length} troubles.`, "bad"]
              : ["No trouble. The verdict above has the rest.", "good"];
          put(document.getElementById("own"), ...text);
          fill(document.getElementById("troubles"), troubles.map((item) => ({
            kind: isOld ? "stale" : "",
            cells: [
              item.text, [item.level, isOld ? "" : kinds[item.level]], runbook(item), page(item),
            ],
          })));
        }

        startWith("alerts.json", (look, news) => {
          const isThere = news.at !== undefined;
          if (look && !isThere) {
            put(document.getElementById("words"), "Not known: waiting for the first news.",
              "unknown");
          } else showAlerts(look, news.prometheus);
          showTroubles(look, news);
        });

        """#
}
