import MarketModel
import Primitives

/// The rows of the market that a page shows.
struct MarketDocument {
    let page: MarketBoard.Page
    let question: MarketQuestion
    /// How many symbols there are, and how many more are not shown.
    let all: Int
    let hidden: Int
    /// When the values were read. Nothing before the first time.
    let readAt: MonotonicTime
    /// Why they cannot be read now. `nil` if they can.
    let problem: String?
    /// Why changes of the day are not known.
    var dayProblem: String?

    /// A round of 10,000 symbols takes longer than other questions.
    static let ageMaxSeconds = 10.0

    var json: [UInt8] {
        JSONWriter.made(capacity: 1_024 + page.rows.count * 640) { json in
            if readAt != .distantPast { json.member("at", seconds: readAt) }
            if let problem { json.member("absence", OverviewMaker.line(problem)) }
            if let dayProblem { json.member("day_problem", OverviewMaker.line(dayProblem)) }
            json.member("limit", Self.ageMaxSeconds)
            json.member("all", all)
            json.member("hidden", hidden)
            json.member("total", page.total)
            json.member("from", question.from)
            json.member("slots", MarketBoard.slotsMax)
            json.array("rows") { json in
                for (key, row) in page.rows { Self.write(key, row, &json) }
            }
        }.bytes
    }

    private static func write(
        _ key: MarketBoard.Key, _ row: MarketBoard.Row, _ json: inout JSONWriter
    ) {
        json.object { json in
            json.member("symbol", key.symbol.text)
            json.member("source", key.source.text)
            json.member("price", row.price)
            if let change = row.change { json.member("change", change) }
            if let rate = row.tradesPerSecond { json.member("rate", rate) }
            if row.heardAt.isDefined {
                json.member("heard", Double(row.heardAt.nanoseconds) / 1e9)
            }
            json.array("line", of: row.line) { json, price in
                if price.isFinite { json.value(Double(price)) } else { json.null() }
            }
        }
    }
}
