import MarketModel
import Primitives
import StoredBars

/// What a page asks of the bars, as its parameters say it. Everything in these comes from outside.
enum ChartQuestion: Choosable {
    /// Which symbols there are from a text on, and which bars the symbol of that name has.
    case choices(String, from: Timestamp?)
    /// `from` is `nil` for the newest bars.
    case page(symbol: Symbol, source: SourceName, series: SeriesName, from: Timestamp?)
    case bar(BarIdentity)

    static let plural = "charts"
    /// The parameters that requests may have.
    static let parameters = ["symbol", "source", "series", "from", "open", "number"]

    /// Returns the question at a path. `nil` if it is none of a chart.
    static func read(
        _ path: String, _ parameters: [String: String]
    ) throws(QuestionRefusal) -> ChartQuestion? {
        switch path {
        case "/chart-choices.json":
            let text = parameters["symbol"] ?? ""
            if !text.isEmpty { _ = try symbol(parameters) }
            return .choices(text, from: try time(parameters["from"]))
        case "/chart.json":
            return .page(
                symbol: try symbol(parameters), source: try source(parameters),
                series: try series(parameters), from: try time(parameters["from"]))
        case "/chart-bar.json":
            guard let open = parameters["open"].flatMap({ nanoseconds($0) }),
                let number = parameters["number"].flatMap({ count($0) })
            else { throw QuestionRefusal("a bar has an open time in nanoseconds and a number") }
            return .bar(
                BarIdentity(
                    symbol: try symbol(parameters), source: try source(parameters),
                    series: try series(parameters), openTime: open, number: number))
        case _: return nil
        }
    }

    private static func symbol(_ parameters: [String: String]) throws(QuestionRefusal) -> Symbol {
        try QuestionRefusal.symbol(parameters["symbol"] ?? "")
    }

    private static func source(_ parameters: [String: String]) throws(QuestionRefusal) -> SourceName
    {
        guard let source = SourceName(parameters["source"] ?? "") else {
            throw QuestionRefusal(
                "a source is a name of 1 to \(SourceName.utf8CountMax) characters")
        }
        return source
    }

    private static func series(_ parameters: [String: String]) throws(QuestionRefusal) -> SeriesName
    {
        guard let series = SeriesName(parameters["series"] ?? "") else {
            throw QuestionRefusal(
                "a series is a name of 1 to \(SeriesName.utf8CountMax) letters and digits")
        }
        return series
    }

    private static func time(_ text: String?) throws(QuestionRefusal) -> Timestamp? {
        guard let text, !text.isEmpty else { return nil }
        return try QuestionRefusal.time(text)
    }

    private static func nanoseconds(_ text: String) -> Timestamp? {
        count(text).flatMap { $0 < Int64.max ? Timestamp(nanoseconds: $0) : nil }
    }

    private static func count(_ text: String) -> Int64? {
        text.utf8.count <= 20 ? Int64(text) : nil
    }

    var intervalNanoseconds: Int64 {
        switch self {
        // Symbols come rarely, and their list costs more.
        case .choices: 10_000_000_000
        case .page, .bar: 1_000_000_000
        }
    }
}
