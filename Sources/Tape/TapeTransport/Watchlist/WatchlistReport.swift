package import MarketModel
package import Primitives

/// What the active gateway of a source says of its instruments: which it wants, whether they come
/// from its own list or from the watchlist, and what its provider says of each. It is the value of
/// the key `gateway.<source>.watchlist` in the bucket of sources.
package struct WatchlistReport: Equatable, Sendable {
    static let version = 1

    package enum Origin: String, Sendable {
        /// The gateway's own list: its files, or the symbols of its settings.
        case listed
        /// The watchlist.
        case added
    }

    package enum State: String, Sendable {
        /// The provider has it and has not requested it yet, or waits for the first data.
        case waiting
        /// The provider was told of it, and does not say more.
        case requested
        case subscribed
        /// It failed, and is tried again.
        case down
        /// The provider refuses it, in the words of `reason`.
        case refused
        /// The gateway's own list has it, and the watchlist removes it.
        case removed
    }

    package struct Instrument: Hashable, Sendable {
        package var symbol: Symbol
        package var origin: Origin
        package var state: State
        /// Empty when there is nothing to say.
        package var reason: String

        package init(_ symbol: Symbol, _ origin: Origin, _ state: State, reason: String = "") {
            self.symbol = symbol
            self.origin = origin
            self.state = state
            self.reason = String(reason.prefix(WatchlistReport.reasonMax))
        }
    }

    /// The most characters of a reason; the rest is cut off.
    package static let reasonMax = 200
    /// The most reasons in one report.
    package static let reasonsMax = 512
    /// The most problems in one report.
    package static let problemsMax = 16

    package var source: SourceName
    /// The gateway's name in its group.
    package var gateway: String
    package var time: Timestamp
    package var providers: [String]
    /// Why people cannot change its instruments; `nil` when they can.
    package var fixed: String?
    /// Whether the provider delivers by symbol alone, without a contract.
    package var isBySymbol = false
    /// The revision of the watchlist that holds; 0: there was none.
    package var revision: UInt64 = 0
    /// What of the watchlist or of the files does not hold, and why.
    package var problems: [String] = []
    package var instruments: [Instrument] = []
    /// The instruments that the stored report has no room for.
    package var leftOut = 0

    package init(
        source: SourceName, gateway: String, time: Timestamp, providers: [String],
        fixed: String? = nil
    ) {
        self.source = source
        self.gateway = gateway
        self.time = time
        self.providers = providers
        self.fixed = fixed
    }

    /// The symbols of the gateway's own list, those that are removed included.
    package var listed: Set<Symbol> {
        Set(instruments.filter { $0.origin == .listed }.map(\.symbol))
    }

    // MARK: JSON

    /// Returns the report. What has no room in `bytesMax` is counted.
    func json(bytesMax: Int) -> [UInt8] {
        let full = json(instruments, leftOut: leftOut)
        guard full.count > bytesMax else { return full }
        // The instruments that people asked for come first.
        let ordered =
            instruments.filter { $0.origin == .added || $0.state == .removed }
            + instruments.filter { $0.origin == .listed && $0.state != .removed }
        var kept = ordered.count / 2
        while kept > 0 {
            let part = json(Array(ordered.prefix(kept)), leftOut: leftOut + ordered.count - kept)
            if part.count <= bytesMax { return part }
            kept /= 2
        }
        return json([], leftOut: leftOut + ordered.count)
    }

    private func json(_ instruments: [Instrument], leftOut: Int) -> [UInt8] {
        JSONWriter.made(capacity: 512 + instruments.count * 96, version: Self.version) { json in
            json.member("source", source.text)
            json.member("gateway", gateway)
            json.member("time", time.description)
            json.member("time_ns", time.nanoseconds)
            json.member("providers", values: providers)
            if let fixed { json.member("fixed", fixed) }
            json.member("by_symbol", isBySymbol)
            json.member("revision", revision)
            json.member("problems", values: problems.prefix(Self.problemsMax))
            json.member("left_out", leftOut)
            json.array("instruments") { Self.write(instruments, into: &$0) }
        }.bytes
    }

    private static func write(_ instruments: [Instrument], into json: inout JSONWriter) {
        var reasons = 0
        for instrument in instruments {
            json.object { json in
                json.member("symbol", instrument.symbol.text)
                json.member("origin", instrument.origin.rawValue)
                json.member("state", instrument.state.rawValue)
                guard !instrument.reason.isEmpty, reasons < reasonsMax else { return }
                reasons += 1
                json.member("reason", instrument.reason)
            }
        }
    }

    /// Reads a stored report. When any part is damaged, none of it is used.
    package init(json bytes: [UInt8]) throws(VersionedJSON.Refusal) {
        let json = try VersionedJSON.read(bytes, upTo: Self.version)
        guard let source = json["source"]?.string.flatMap({ SourceName($0) }),
            let gateway = json["gateway"]?.string, let time = json["time_ns"]?.int,
            let providers = json["providers"]?.array, let stored = json["instruments"]?.array
        else { throw .damaged("it is no report of a gateway") }
        self.init(
            source: source, gateway: gateway, time: Timestamp(nanoseconds: Int64(time)),
            providers: providers.compactMap(\.string), fixed: json["fixed"]?.string)
        isBySymbol = json["by_symbol"]?.bool ?? false
        revision = json["revision"]?.uint64 ?? 0
        problems = (json["problems"]?.array ?? []).compactMap(\.string)
        leftOut = json["left_out"]?.int ?? 0
        for one in stored { instruments.append(try Self.instrument(one)) }
    }

    private static func instrument(
        _ json: JSONValue
    ) throws(VersionedJSON.Refusal) -> Instrument {
        guard let symbol = json["symbol"]?.string.flatMap({ Symbol($0) }),
            let origin = json["origin"]?.string, let state = json["state"]?.string
        else { throw .damaged("an instrument is none") }
        guard let origin = Origin(rawValue: origin), let state = State(rawValue: state) else {
            throw .newer("a state of an instrument is not known")
        }
        return Instrument(symbol, origin, state, reason: json["reason"]?.string ?? "")
    }
}
