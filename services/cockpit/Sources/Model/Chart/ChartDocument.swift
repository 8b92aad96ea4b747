import MarketModel
import Primitives
import StoredBars

/// A page of bars for the picture and for the table behind it: the same numbers for both.
struct ChartDocument {
    let page: BarPage
    /// Whether it is the newest page, which later bars follow.
    let isLive: Bool

    var json: [UInt8] {
        JSONWriter.made(capacity: 1_024 + page.items.count * 512) { json in
            json.member("live", isLive)
            json.member("lacks_versions", page.lacksVersions)
            if let problem = page.quotesProblem {
                json.member("quotes_problem", OverviewMaker.line(problem))
            }
            if let earlier = page.earlier { json.member("earlier", TimeText.of(earlier)) }
            if let later = page.later { json.member("later", TimeText.of(later)) }
            json.array("bars") { json in for item in page.items { write(item, &json) } }
        }.bytes
    }

    private func write(_ item: BarPage.Item, _ json: inout JSONWriter) {
        let row = item.row
        json.object { json in
            json.member("open_ns", "\(row.identity.openTime.nanoseconds)")
            json.member("number", "\(row.identity.number)")
            json.member("time", TimeText.of(row.identity.openTime))
            json.member("ended", Double(row.closeTime.nanoseconds) / 1e9)
            json.member("version", row.replaced + 1)
            json.member("missing", max(0, row.replaced - Int64(item.replaced.count)))
            json.member("partial", row.isPartial)
            json.member("marks", values: BarMarks(row).texts)
            TradeText.write(row.standing, after: row.closeTime, &json)
            if let bid = item.quote?.bid, bid.isDefined { json.member("bid", "\(bid)") }
            if let ask = item.quote?.ask, ask.isDefined { json.member("ask", "\(ask)") }
            json.array("ghosts") { json in
                for (index, version) in item.replaced.enumerated() {
                    // All versions above one are stored, or it is not stored itself.
                    let above = Int64(item.replaced.count - 1 - index)
                    json.object { json in
                        json.member("version", max(1, row.replaced - above))
                        TradeText.write(version, after: row.closeTime, &json)
                    }
                }
            }
        }
    }
}

/// Which bars there are, for the fields that choose one.
struct ChoicesDocument {
    let choices: BarChoices

    var json: [UInt8] {
        JSONWriter.made(capacity: 4_096) { json in
            json.member("more", choices.hasMoreSymbols)
            json.member("symbols", values: choices.symbols)
            json.member("offers", each: choices.offers) { offer, json in
                json.member("series", offer.series)
                json.member("source", offer.source)
            }
        }.bytes
    }
}

/// The values of a version as all documents have them: decimals are texts with all their digits.
enum TradeText {
    static func write(_ version: BarVersion, after close: Timestamp, _ json: inout JSONWriter) {
        let values = version.values
        let prices = [
            ("open", values.open), ("high", values.high), ("low", values.low),
            ("close", values.close), ("vwap", values.vwap),
        ]
        for (name, price) in prices where price.isDefined { json.member(name, "\(price)") }
        json.member("volume", volume(values.volume))
        json.member("trades", values.trades)
        json.member("reason", OverviewMaker.line(version.reason))
        json.member("withdrawn", version.isWithdrawn)
        if let known = version.known { json.member("known", TimeText.of(known)) }
        if let delay = version.delay(after: close) { json.member("delay", delay) }
    }

    static func volume(_ volume: Int128) -> String {
        FixedPoint.text(volume, decimals: Quantity.decimals)
    }
}
