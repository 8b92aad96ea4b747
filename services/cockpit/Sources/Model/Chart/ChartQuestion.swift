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

    /// What cannot be asked, in words.
    struct Refusal: Error, Equatable, CustomStringConvertible {
        let description: String

        init(_ description: String) { self.description = description }
    }

    /// Returns the question at a path. `nil` if it is none of a chart.
    static func read(
        _ path: String, _ parameters: [String: String]
    ) throws(Refusal) -> ChartQuestion? {
        switch path {
        case "/chart-choices.json":
            let text = parameters["symbol"] ?? ""
            guard text.isEmpty || Symbol(text) != nil else { throw noSymbol }
            return .choices(text, from: try time(parameters["from"]))
        case "/chart.json":
            return .page(
                symbol: try symbol(parameters), source: try source(parameters),
                series: try series(parameters), from: try time(parameters["from"]))
        case "/chart-bar.json":
            guard let open = parameters["open"].flatMap({ nanoseconds($0) }),
                let number = parameters["number"].flatMap({ count($0) })
            else { throw Refusal("a bar has an open time in nanoseconds and a number") }
            return .bar(
                BarIdentity(
                    symbol: try symbol(parameters), source: try source(parameters),
                    series: try series(parameters), openTime: open, number: number))
        case _: return nil
        }
    }

    private static let noSymbol = Refusal(
        "a symbol has 1 to \(Symbol.utf8CountMax) bytes and no control characters")

    private static func symbol(_ parameters: [String: String]) throws(Refusal) -> Symbol {
        guard let symbol = Symbol(parameters["symbol"] ?? "") else { throw noSymbol }
        return symbol
    }

    private static func source(_ parameters: [String: String]) throws(Refusal) -> SourceName {
        guard let source = SourceName(parameters["source"] ?? "") else {
            throw Refusal("a source is a name of 1 to \(SourceName.utf8CountMax) characters")
        }
        return source
    }

    private static func series(_ parameters: [String: String]) throws(Refusal) -> SeriesName {
        guard let series = SeriesName(parameters["series"] ?? "") else {
            throw Refusal(
                "a series is a name of 1 to \(SeriesName.utf8CountMax) letters and digits")
        }
        return series
    }

    /// The longest text of a time that is read.
    private static let timeBytesMax = 40

    private static func time(_ text: String?) throws(Refusal) -> Timestamp? {
        guard let text, !text.isEmpty else { return nil }
        guard text.utf8.count <= timeBytesMax, let time = ISOTime.parse(text) else {
            throw Refusal("a time is written as 2026-11-20T14:31:00Z, from 1678 to 2262")
        }
        return time
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
