import Primitives
import ServiceRuntime

/// What came of trying a provider, from the log of its trial. Pure.
struct FeedOutcome: Equatable, Sendable {
    enum Verdict: String, Sendable {
        /// The ticks came that were asked for.
        case works
        /// It is connected, and too few ticks came.
        case quiet
        /// It delivers no such instrument.
        case refused
        /// It is there, and another session of the account uses it.
        case occupied
        /// There is no connection.
        case unreachable
        /// The trial could not begin, or ended by itself.
        case failed
    }

    /// One of the first ticks.
    struct Tick: Equatable, Sendable {
        let symbol: String
        let kind: String
        let values: String
        /// Nanoseconds since 1970; 0: the tick has none.
        let providerTime: Int
        let receiveTime: Int
    }

    let provider: String
    /// What was asked for: a symbol, or a recording.
    let subject: String
    let wanted: Int
    private(set) var verdict = Verdict.failed
    private(set) var reason = ""
    private(set) var ticks: [Tick] = []
    private(set) var tickCount = 0
    private(set) var gaps = 0
    /// Nanoseconds from the start until the connection delivered, and until the first tick came;
    /// `nil`: it did not happen.
    private(set) var liveAfter: Int?
    private(set) var tickAfter: Int?

    /// Reads the log of a trial, line by line.
    init(provider: String, subject: String, wanted: Int, log: [UInt8]) {
        self.provider = provider
        self.subject = subject
        self.wanted = wanted
        let log = CommandLog(log)
        for (event, entry) in log.entries {
            if event == "gateway.trial" {
                end(entry)
                return
            }
            if event == "gateway.trial.tick" { ticks.append(Self.tick(entry)) }
        }
        reason = log.complaint ?? "the gateway ended without a result"
    }

    private static func tick(_ entry: JSONValue) -> Tick {
        Tick(
            symbol: entry["symbol"]?.string ?? "", kind: entry["kind"]?.string ?? "",
            values: entry["values"]?.string ?? "", providerTime: entry["provider_time"]?.int ?? 0,
            receiveTime: entry["receive_time"]?.int ?? 0)
    }

    private mutating func end(_ entry: JSONValue) {
        func after(_ name: String) -> Int? { entry[name]?.int.flatMap { $0 < 0 ? nil : $0 } }
        tickCount = entry["ticks"]?.int ?? 0
        gaps = entry["gaps"]?.int ?? 0
        liveAfter = after("live_after")
        tickAfter = after("tick_after")
        let said = [entry["instrument_reason"]?.string, entry["reason"]?.string].compactMap { $0 }
        reason = said.first { !$0.isEmpty } ?? ""
        let state = entry["state"]?.string ?? ""
        let isConnected = liveAfter != nil || tickCount > 0 || ["ready", "silent"].contains(state)
        let isEnough = wanted == 0 ? liveAfter != nil : tickCount >= wanted
        // Of a series one value is enough, which only the gateway knows.
        if isEnough || entry["works"]?.bool == true {
            verdict = .works
        } else if entry["refused"]?.bool == true {
            verdict = .refused
        } else if ["occupied", "competing"].contains(state) {
            verdict = .occupied
        } else {
            verdict = isConnected ? .quiet : .unreachable
        }
    }

    /// One line for people.
    var sentence: String {
        let why = reason.isEmpty ? "" : ": \(reason)"
        switch verdict {
        case .works:
            let time = Duration.nanoseconds(tickAfter ?? liveAfter ?? 0).shown
            let isOneValue = tickCount == 1 && ticks.first?.kind == "indicator"
            let count = isOneValue ? "a value" : "\(tickCount) ticks"
            return "\(provider) works: \(count) of \(subject), the first after \(time)"
        case .quiet:
            return "\(provider) is connected, and \(tickCount) of \(wanted) ticks of \(subject) "
                + "came"
                + (why.isEmpty ? ": is its market open?" : "\(why); or is its market closed?")
        case .refused: return "\(provider) does not deliver \(subject)\(why)"
        case .occupied: return "\(provider) has another session of this account\(why)"
        case .unreachable: return "\(provider) is not reachable\(why)"
        case .failed: return "\(provider) cannot be tried\(why)"
        }
    }

    var exitCode: ExitCode {
        switch verdict {
        case .works: .success
        case .quiet: .incomplete
        case .occupied, .unreachable: .unavailable
        case .refused, .failed: .failure
        }
    }

    /// The ticks and the verdict, for people.
    var lines: [String] {
        ticks.map { tick in
            let time =
                tick.receiveTime > 0
                ? Timestamp(nanoseconds: Int64(tick.receiveTime)).description : ""
            return "  \(time)  \(tick.kind.padded(to: 6)) \(tick.symbol)  \(tick.values)"
        } + [sentence]
    }

    func write(into writer: inout JSONWriter) {
        writer.member("provider", provider)
        writer.member("subject", subject)
        writer.member("verdict", verdict.rawValue)
        writer.member("sentence", sentence)
        writer.member("reason", reason)
        writer.member("wanted", wanted)
        writer.member("ticks", tickCount)
        writer.member("gaps", gaps)
        if let liveAfter { writer.member("live_after_ns", liveAfter) }
        if let tickAfter { writer.member("tick_after_ns", tickAfter) }
        writer.member("first", each: ticks) { tick, json in
            json.member("symbol", tick.symbol)
            json.member("kind", tick.kind)
            json.member("values", tick.values)
            json.member("provider_time", tick.providerTime)
            json.member("receive_time", tick.receiveTime)
        }
    }
}
