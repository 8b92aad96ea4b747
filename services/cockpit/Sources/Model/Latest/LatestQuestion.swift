import LatestValues
import MarketModel
import Primitives

/// What the page Latest asks, as its parameters say it. Everything in these comes from outside.
struct LatestQuestion: Choosable {
    static let plural = "sets of symbols"
    /// The most symbols of one question.
    static let symbolsMax = 16
    static let path = "/latest.json"
    /// The parameters that requests may have.
    static let parameters = ["symbols", "source", "series"]

    let wanted: LatestReader.Wanted

    var intervalNanoseconds: Int64 { 1_000_000_000 }

    init(_ parameters: [String: String]) throws(QuestionRefusal) {
        var symbols: [Symbol] = []
        // A symbol may have blanks within, as "BRK B".
        for part in (parameters["symbols"] ?? "").split(separator: ",") {
            let text = Self.trimmed(part)
            if text.isEmpty { continue }
            guard symbols.count < Self.symbolsMax else {
                throw QuestionRefusal("at most \(Self.symbolsMax) symbols are shown")
            }
            let symbol = try QuestionRefusal.symbol(text)
            if !symbols.contains(symbol) { symbols.append(symbol) }
        }
        guard !symbols.isEmpty else { throw QuestionRefusal("name a symbol") }
        wanted = LatestReader.Wanted(
            symbols, of: try Self.source(parameters["source"] ?? ""),
            try Self.series(parameters["series"] ?? ""))
    }

    private static func trimmed(_ text: Substring) -> String {
        let isBlank = { (letter: Character) in letter == " " || letter == "\t" }
        var rest = text.drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return String(rest)
    }

    private static func source(_ text: String) throws(QuestionRefusal) -> SourceName? {
        guard !text.isEmpty else { return nil }
        return try QuestionRefusal.source(text)
    }

    private static func series(_ text: String) throws(QuestionRefusal) -> [SeriesName] {
        guard !text.isEmpty else { return [] }
        guard let series = SeriesName(text) else {
            throw QuestionRefusal("a series is a name of a-z, 0-9, - and _, at most 32")
        }
        return [series]
    }
}
