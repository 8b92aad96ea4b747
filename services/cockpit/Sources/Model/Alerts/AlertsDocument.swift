import Primitives

/// Alerts for the page that shows them, and the troubles of the verdict, which are there without a
/// Prometheus as well.
struct AlertsDocument {
    /// The address that is asked. `nil` if none is configured.
    let prometheus: String?
    let known: Known<AlertList>
    let verdict: [Overview.Line]
    let now: MonotonicTime

    var json: [UInt8] {
        JSONWriter.made(capacity: 8_192) { writer in
            writer.member("at", seconds: now)
            if let prometheus {
                writer.object("prometheus") { writer in
                    writer.member("address", prometheus)
                    write(known, &writer)
                }
            }
            writer.array("troubles") { writer in
                for line in verdict where [.warning, .bad].contains(line.level) {
                    write(line, &writer)
                }
            }
        }.bytes
    }

    private func write(_ known: Known<AlertList>, _ writer: inout JSONWriter) {
        writer.state(of: known, at: now)
        let list = known.value ?? AlertList()
        writer.member("total", list.total)
        writer.member("watchdog", list.hasWatchdog)
        writer.array("items") { for alert in list.alerts { write(alert, &$0) } }
    }

    private func write(_ alert: AlertList.Alert, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", alert.name)
            writer.member("severity", alert.severity)
            writer.member("firing", alert.isFiring)
            writer.member("since", alert.since)
            writer.member("summary", alert.summary)
            writer.member("labels", values: alert.labels)
            if let url = alert.runbookURL { writer.member("runbook_url", url) }
            writePage(of: alert.runbook, &writer)
        }
    }

    private func write(_ line: Overview.Line, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("level", line.level.rawValue)
            writer.member("text", line.text)
            writePage(of: line.runbook, &writer)
        }
    }

    private func writePage(of runbook: String?, _ writer: inout JSONWriter) {
        guard let runbook, let page = ShippedRunbooks.page(runbook) else { return }
        writer.member("runbook", runbook)
        writer.member("page", page)
    }
}
