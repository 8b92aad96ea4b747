import ClickHouseWire
import MarketModel
import StoreHTTP
import StoreSinks

extension ClickHouseServer: CountedServer {
    func rows(of place: SinkPlace) throws(StoreServerError) -> [SourceName: StoreAudit.Rows] {
        let parts = try countedTables().compactMap { place.rows.rows(in: $0) }
        var found: [SourceName: StoreAudit.Rows] = [:]
        guard !parts.isEmpty else { return found }
        var answer = try ask(
            "SELECT toString(source), toInt64(count()), toInt64(uniqExact(ordinal)), "
                + "toInt64(min(ordinal)), toInt64(max(ordinal)) FROM ("
                + parts.joined(separator: " UNION ALL ") + ") GROUP BY source")
        while !answer.isOver {
            let text = try answer.text()
            guard let source = SourceName(text) else {
                throw StoreServerError("it has rows of a source '\(text)'", .schema)
            }
            found[source] = StoreAudit.Rows(
                rows: UInt64(clamping: try answer.integer()),
                ordinals: UInt64(clamping: try answer.integer()),
                first: UInt64(clamping: try answer.integer()),
                last: UInt64(clamping: try answer.integer()))
        }
        return found
    }

    func filled(_ place: SinkPlace) throws(StoreServerError) -> [SourceName: StoreAudit.Filled] {
        var answer = try ask(
            "SELECT toString(source), toInt64(sum(rows)), toInt64(min(first_ordinal)) FROM fills "
                + "WHERE input = \(ClickHouseClient.quoted(place.input.rawValue)) "
                + "AND partition = \(place.partition.number) GROUP BY source")
        var found: [SourceName: StoreAudit.Filled] = [:]
        while !answer.isOver {
            let text = try answer.text()
            guard let source = SourceName(text) else {
                throw StoreServerError("fills has a source '\(text)'", .schema)
            }
            found[source] = StoreAudit.Filled(
                rows: UInt64(clamping: try answer.integer()),
                first: UInt64(clamping: try answer.integer()))
        }
        return found
    }
}
