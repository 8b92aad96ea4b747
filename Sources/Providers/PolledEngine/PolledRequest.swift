/// A request to a service, without its key.
package struct PolledRequest: Sendable {
    /// What is asked for.
    enum Subject: Hashable, Sendable {
        /// What FRED knows of the series.
        case facts
        case values(PolledFacts)
    }

    /// Names the request; the outcome has the same.
    package let number: UInt64
    /// The path after the service's address, such as `/fred/series`.
    package let path: String
    package let query: [(name: String, value: String)]
    let subject: Subject
    /// The asked series, by the service's names.
    let series: [String]
    /// CoinGecko's currency in lower case; empty: the service has none.
    let currency: String

    /// Asks what FRED knows of a series.
    init(factsOf series: String, number: UInt64) {
        self.number = number
        path = "/fred/series"
        query = [("series_id", series), ("file_type", "json")]
        subject = .facts
        self.series = [series]
        currency = ""
    }

    /// Asks for the newest values of series.
    init(
        _ table: PolledTable, _ series: [String], _ facts: PolledFacts, currency: String,
        window: Int, number: UInt64
    ) {
        self.number = number
        subject = .values(facts)
        self.series = series
        self.currency = currency
        switch table {
        case .fred:
            // Without realtime dates FRED answers what is valid today. XML is its default.
            path = "/fred/series/observations"
            query = [
                ("series_id", series.first ?? ""), ("file_type", "json"), ("sort_order", "desc"),
                ("limit", "\(window)"),
            ]
        case .coingecko:
            path = "/api/v3/simple/price"
            query = [
                ("ids", series.joined(separator: ",")), ("vs_currencies", currency),
                ("include_last_updated_at", "true"), ("precision", "full"),
            ]
        case .alternativeMe:
            path = "/fng/"
            query = [("limit", "\(window)")]
        }
    }
}
