// The fifth page: which alerts fire now, with their runbooks.

import { startWith, age, isStale, span, put, doubt, element } from "./live.js";
import { list } from "./table.js";
import { pageNames } from "./strip.js";

const kinds = { critical: "bad", bad: "bad", warning: "warning" };

const since = (time) => (Number.isNaN(Date.parse(time)) ? "–" : `${time.slice(0, 19)}Z`);
const fires = (number) => `${number} ${number === 1 ? "alert fires" : "alerts fire"}`;

// Those of the people who look come before the shipped ones, which are pages here.
function runbook(item) {
  if (item.runbook_url) return [item.runbook || "runbook", "", item.runbook_url];
  return item.runbook ? `docs/runbooks/${item.runbook}.md` : "–";
}

const page = (item) => (item.page ? [pageNames[item.page], "", item.page] : "–");

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
      + `evaluated the shipped rules. ${fires(firing)}${more}.${asked}`, "warning"];
  }
  if (!prometheus.total) return [`No alert fires.${asked}`, "good"];
  const pending = prometheus.items.length - firing;
  return [`${fires(firing)}, ${pending} will unless it ends${more}.${asked}`,
    firing ? "bad" : "warning"];
}

function showAlerts(look, prometheus) {
  put(element("words"), ...words(look, prometheus));
  const items = (look && prometheus && prometheus.items) || [];
  const isOld = !prometheus || isStale(prometheus);
  list(element("alerts"), items, isOld, (item) => [
    item.name, [item.severity || "–", isOld ? "" : kinds[item.severity] || ""],
    isOld ? ["? not known", "unknown"]
      : item.firing ? ["✕ fires", "bad"] : ["◌ pending", "warning"],
    since(item.since), [item.summary || "–", "long"], item.labels.join(", ") || "–",
    runbook(item), page(item),
  ]);
}

function showTroubles(look, news) {
  const isOld = !look || isStale(news);
  const troubles = (look && news.troubles) || [];
  const text = isOld ? [`Not known: ${doubt() || "the answer is old"}.`, "unknown"]
    : troubles.length ? [`${troubles.length} trouble${troubles.length === 1 ? "" : "s"}.`, "bad"]
      : ["No trouble. The verdict above has the rest.", "good"];
  put(element("own"), ...text);
  list(element("troubles"), troubles, isOld, (item) => [
    item.text, [item.level, isOld ? "" : kinds[item.level]], runbook(item), page(item),
  ]);
}

startWith("alerts.json", (look, news) => {
  const isThere = news.at !== undefined;
  if (look && !isThere) {
    put(element("words"), "Not known: waiting for the first news.",
      "unknown");
  } else showAlerts(look, news.prometheus);
  showTroubles(look, news);
});
