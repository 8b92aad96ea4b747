import MarketModel
import Primitives
import ServiceRuntime
import ValkeyClient

/// Reads from Valkey the state of the symbols of one source.
final class HotView {
    struct Row: Sendable {
        let symbol: String
        var price = "-"
        var bid = "-"
        var ask = "-"
        var bar = "-"
        /// Milliseconds from the receipt of the last trade until it was read here.
        var ageMilliseconds: Int64?
        /// Whether the last trade was read from the database, after Valkey had lost it.
        var isFilled = false
    }

    private let configuration: ValkeyConfiguration
    private var session: ValkeyConnection?
    private let namespace: String
    private let source: String

    init(_ configuration: ValkeyConfiguration, namespace: String, source: String) {
        self.configuration = configuration
        self.namespace = namespace
        self.source = source
    }

    /// Returns a row per symbol. The rows have no values while Valkey does not answer.
    func rows(_ symbols: [String], series: String, now: Timestamp) -> [Row] {
        do {
            let session = try connected()
            for symbol in symbols {
                session.append([
                    "HMGET", .text("\(namespace):trade:\(symbol):\(source)"), "price",
                    "receive_ts", "filled",
                ])
                session.append([
                    "HMGET", .text("\(namespace):quote:\(symbol):\(source)"), "bid", "ask",
                ])
                session.append([
                    "HMGET", .text("\(namespace):bar:\(symbol):\(series):\(source)"), "open",
                    "high", "low", "close", "volume",
                ])
            }
            let replies = try session.replies(count: symbols.count * 3)
            return symbols.enumerated().map { index, symbol in
                row(symbol, Array(replies[(index * 3)..<(index * 3 + 3)]), now: now)
            }
        } catch {
            session?.close()
            session = nil
            return symbols.map { Row(symbol: $0) }
        }
    }

    private func connected() throws(ValkeyError) -> ValkeyConnection {
        if let session, session.isUsable { return session }
        let opened = try ValkeyConnection(configuration)
        session = opened
        return opened
    }

    private func row(_ symbol: String, _ replies: [ValkeyReply], now: Timestamp) -> Row {
        var row = Row(symbol: symbol)
        let trade = texts(replies[0], requiring: 2)
        let quote = texts(replies[1])
        let bar = texts(replies[2])
        row.price = trade[safe: 0] ?? "-"
        row.bid = quote[safe: 0] ?? "-"
        row.ask = quote[safe: 1] ?? "-"
        row.isFilled = trade[safe: 2] == "database"
        if bar.count == 5 { row.bar = bar.joined(separator: " ") }
        if let received = trade[safe: 1].flatMap({ Int64($0) }) {
            row.ageMilliseconds =
                now.nanoseconds(since: Timestamp(nanoseconds: received)) / 1_000_000
        }
        return row
    }

    /// Returns the values of the reply. Empty if one of them is missing, or of the first
    /// `required`.
    private func texts(_ reply: ValkeyReply, requiring required: Int? = nil) -> [String] {
        guard case .array(let values) = reply else { return [] }
        let texts = values.prefix { $0.text != nil }.compactMap(\.text)
        return texts.count >= required ?? values.count ? texts : []
    }
}

extension Array {
    fileprivate subscript(safe index: Int) -> Element? {
        indices.contains(index) ? self[index] : nil
    }
}
