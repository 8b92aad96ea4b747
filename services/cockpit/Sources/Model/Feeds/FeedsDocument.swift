import DeploymentWatch
import Primitives

/// Feeds for the page that shows them. It depends on what was measured alone, so it stays the same
/// until something is measured again, and browsers need not fetch it meanwhile.
struct FeedsDocument {
    let look: FeedBoard.Look

    var json: [UInt8] {
        JSONWriter.made(capacity: 16_384) { writer in
            writer.member("at", seconds: look.measuredAt)
            writer.array("sources") { for each in look.sources { write(each, &$0) } }
            writer.member("hidden", look.hidden)
            writer.array("rows") { for row in look.rows { write(row, &$0) } }
        }.bytes
    }

    private func write(_ source: FeedBoard.Source, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", source.name)
            writer.member("at", seconds: source.measuredAt)
            if source.isClosed { writer.member("closed", true) }
            if let newest = source.newest {
                writer.member("instruments", newest.instruments)
                writer.member("listed", newest.oldest.count)
                writer.member("never", newest.never)
                writer.member("older", newest.older)
                writer.array("ages", of: newest.ages) { writer, age in
                    writer.array { writer in
                        writer.value(age.seconds)
                        writer.value(age.instruments)
                    }
                }
            }
            writer.array("feeds") { for feed in source.feeds { write(feed, &$0) } }
        }
    }

    private func write(_ feed: FeedBoard.Feed, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("provider", feed.provider)
            writer.member("state", feed.state.kind.rawValue)
            writer.member("words", OverviewMaker.line(feed.state.words))
            if !feed.state.advice.isEmpty { writer.member("advice", feed.state.advice) }
            if let runbook = feed.state.runbook { writer.member("runbook", runbook) }
            writer.member("counts", feed.counts)
            writer.member("troubles", values: feed.troubles)
            writer.array("limits") { for limit in feed.limits { write(limit, &$0) } }
            writer.member("waiting", feed.waiting)
            if let next = feed.next { writer.member("next", next) }
        }
    }

    private func write(_ limit: ProviderView.Limit, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", limit.name)
            writer.member("used", limit.used)
            if let max = limit.max { writer.member("max", max) }
            writer.member("waiting", limit.waiting)
            if let until = limit.until { writer.member("until", until) }
            if !limit.reason.isEmpty { writer.member("reason", OverviewMaker.line(limit.reason)) }
        }
    }

    private func write(_ row: FeedBoard.Row, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("symbol", row.symbol)
            writer.array("cells", of: row.cells) { writer, cell in
                writer.array { writer in
                    writer.value(cell.source)
                    if let at = cell.newestAt {
                        // A tenth of a second is what people see.
                        writer.value((Double(at.nanoseconds) / 1e8).rounded() / 10)
                    }
                }
            }
        }
    }
}
