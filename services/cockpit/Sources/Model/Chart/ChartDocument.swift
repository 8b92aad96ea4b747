import MarketModel
import Primitives
import StoredBars

/// A page of bars for the picture and for the table behind it: the same numbers for both.
struct ChartDocument {
    let page: BarPage
    /// Whether it is the newest page, which later bars follow.
    let isLive: Bool

    var json: [UInt8] {
        let board = ChartBoard(page)
        var json = JSONWriter(capacity: 1_024 + board.candles.count * 512)
        json.object { json in
            json.member("live", isLive)
            json.member("bars_max", BarPage.barsMax)
            json.member("lacks_versions", page.lacksVersions)
            if let problem = page.quotesProblem {
                json.member("quotes_problem", OverviewMaker.line(problem))
            }
            if let earlier = page.earlier { json.member("earlier", TimeText.of(earlier)) }
            if let later = page.later { json.member("later", TimeText.of(later)) }
            json.member("slots", board.slots)
            json.array("prices") { for mark in board.prices { write(mark, &$0) } }
            json.array("times") { for mark in board.times { write(mark, &$0) } }
            json.member("volume_max", TradeText.volume(board.volumeMax))
            json.array("bars") { json in
                for (index, candle) in board.candles.enumerated() {
                    write(candle, board.place(index), &json)
                }
            }
        }
        return json.bytes
    }

    private func write(_ mark: ChartBoard.Mark, _ json: inout JSONWriter) {
        json.object { json in
            json.member("place", mark.place)
            json.member("text", mark.text)
        }
    }

    private func write(
        _ candle: ChartBoard.Candle, _ place: Double, _ json: inout JSONWriter
    ) {
        let row = candle.row
        json.object { json in
            json.member("place", place)
            json.member("open_ns", "\(row.identity.openTime.nanoseconds)")
            json.member("number", "\(row.identity.number)")
            json.member("time", TimeText.of(row.identity.openTime))
            json.member("ended", Double(row.closeTime.nanoseconds) / 1e9)
            json.member("version", row.replaced + 1)
            json.member("missing", max(0, row.replaced - Int64(candle.ghosts.count)))
            json.member("partial", row.isPartial)
            json.array("marks") { for text in BarMarks(row).texts { $0.value(text) } }
            json.member("volume_part", candle.volume)
            TradeText.write(row.standing, after: row.closeTime, &json)
            write(candle.shape, &json)
            if let bid = candle.quote?.bid, bid.isDefined { json.member("bid", "\(bid)") }
            if let ask = candle.quote?.ask, ask.isDefined { json.member("ask", "\(ask)") }
            if let height = candle.bid { json.member("bid_at", height) }
            if let height = candle.ask { json.member("ask_at", height) }
            json.array("ghosts") { json in
                for ghost in candle.ghosts {
                    json.object { json in
                        json.member("version", ghost.number)
                        json.member("volume_part", ghost.volume)
                        TradeText.write(ghost.version, after: row.closeTime, &json)
                        write(ghost.shape, &json)
                    }
                }
            }
        }
    }

    /// Heights: open, high, low, close.
    private func write(_ shape: ChartBoard.Shape?, _ json: inout JSONWriter) {
        guard let shape else { return }
        json.array("shape") { json in
            for height in [shape.open, shape.high, shape.low, shape.close] {
                json.value(height)
            }
        }
    }
}

/// Which bars there are, for the fields that choose one.
struct ChoicesDocument {
    let choices: BarChoices

    var json: [UInt8] {
        var json = JSONWriter(capacity: 4_096)
        json.object { json in
            json.member("more", choices.hasMoreSymbols)
            json.array("symbols") { for each in choices.symbols { $0.value(each) } }
            json.array("offers") { json in
                for offer in choices.offers {
                    json.object { json in
                        json.member("series", offer.series)
                        json.member("source", offer.source)
                    }
                }
            }
        }
        return json.bytes
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
