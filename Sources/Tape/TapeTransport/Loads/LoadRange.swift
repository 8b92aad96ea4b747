package import MarketModel
package import Primitives

/// A range of a provider's past that was loaded into a source, or is being loaded.
package struct LoadRange: Hashable, Sendable {
    /// The most symbols of one load.
    package static let symbolsMax = 200
    package static let requesterBytesMax = 100
    package static let barsBytesMax = 8

    package enum State: String, Sendable {
        /// It was begun. The same load continues it; then it is done.
        case running
        /// All of it is on the tape, and it stays so.
        case done
    }

    /// In order of their names.
    package let symbols: [Symbol]
    /// The range of event times is [from, to).
    package let from: Timestamp
    package let to: Timestamp
    /// The length of the provider's bars that are loaded, as `1d`; empty: trades are.
    package let bars: String
    package var state = State.running
    /// Who asked for it, as `user@host`.
    package let requester: String
    /// When its state was written.
    package var time: Timestamp

    package init(
        _ symbols: [Symbol], _ range: (from: Timestamp, to: Timestamp), bars: String = "",
        by requester: String, at time: Timestamp
    ) {
        self.symbols = symbols.sorted { $0.text < $1.text }
        (from, to) = range
        self.bars = bars
        self.requester = requester
        self.time = time
    }

    /// Whether both load the same.
    package func isSame(as other: LoadRange) -> Bool {
        symbols == other.symbols && from == other.from && to == other.to && bars == other.bars
    }

    /// What is loaded, in words.
    package var what: String { Self.what(bars) }

    package static func what(_ bars: String) -> String {
        bars.isEmpty ? "trades" : "bars (\(bars))"
    }

    /// Returns the time for people: without a fraction that is zero.
    package static func shown(_ time: Timestamp) -> String {
        time.isDefined && time.nanoseconds % 1_000_000_000 == 0
            ? "\(time.description.prefix(19))Z" : time.description
    }

    // MARK: JSON

    func write(into json: inout JSONWriter) {
        json.object { json in
            json.member("symbols", values: symbols.map(\.text))
            json.member("from", from.description)
            json.member("from_ns", from.nanoseconds)
            json.member("to", to.description)
            json.member("to_ns", to.nanoseconds)
            if !bars.isEmpty { json.member("bars", bars) }
            json.member("state", state.rawValue)
            json.member("who", requester)
            json.member("time", time.description)
            json.member("time_ns", time.nanoseconds)
        }
    }

    init(_ json: JSONValue) throws(VersionedJSON.Refusal) {
        guard let stored = json["symbols"]?.array, (1...Self.symbolsMax).contains(stored.count),
            let from = json["from_ns"]?.int, let to = json["to_ns"]?.int, from < to,
            let requester = json["who"]?.string, let time = json["time_ns"]?.int,
            requester.utf8.count <= Self.requesterBytesMax
        else { throw .damaged("a range has no symbols or times, or does not say who and when") }
        let bars = json["bars"]?.string ?? ""
        guard bars.utf8.count <= Self.barsBytesMax else {
            throw .damaged("a length of bars is none")
        }
        var symbols: [Symbol] = []
        for one in stored {
            guard let symbol = one.string.flatMap({ Symbol($0) }) else {
                throw .damaged("a symbol of a range is none")
            }
            symbols.append(symbol)
        }
        self.init(
            symbols,
            (Timestamp(nanoseconds: Int64(from)), Timestamp(nanoseconds: Int64(to))), bars: bars,
            by: requester, at: Timestamp(nanoseconds: Int64(time)))
        guard let text = json["state"]?.string else { throw .damaged("a range has no state") }
        guard let state = State(rawValue: text) else {
            throw .newer("the state \(text.prefix(40)) of a range is not known")
        }
        self.state = state
    }
}
