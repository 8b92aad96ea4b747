package import EngineKit
package import MarketModel
package import Primitives

/// A process that loads a past, with its clock.
package struct HistoryBench<Service: HistoryService>: RecordsBench {
    package struct NoSymbol: Error, CustomStringConvertible {
        package let description: String
    }

    package var history: HistoryMachine<Service>
    package var out = HistoryMachine<Service>.Output()
    package var records: [ProviderRecord] = []
    /// What was asked.
    package var requests: [Service.Request] = []
    package var time: Int64 = 0
    private let wall: Timestamp
    private let kind: Kind

    /// What is loaded: of stocks or coins, trades or bars.
    package struct Kind {
        package let security: Instrument.Security
        package let feeds: Instrument.Feeds

        package init(_ security: Instrument.Security, _ feeds: Instrument.Feeds) {
            self.security = security
            self.feeds = feeds
        }
    }

    /// `wall`: the time at which it is loaded.
    package init(
        _ service: Service, _ settings: HistoryMachine<Service>.Settings, at wall: Timestamp,
        _ kind: Kind
    ) {
        history = HistoryMachine(service, settings)
        self.wall = wall
        self.kind = kind
    }

    package var now: Moment {
        Moment(wall: wall, monotonic: MonotonicTime(nanoseconds: time))
    }

    /// Begins the load. `last`: the last record of a symbol on the tape; `marks`: the watermark of
    /// its partition; `promised`: that of an earlier process.
    package mutating func begin(
        _ symbols: [String], last: [String: LastOfHistory] = [:],
        marks: [String: Timestamp] = [:], promised: Timestamp = .undefined,
        feeds: Instrument.Feeds? = nil
    ) throws {
        let begun = try symbols.enumerated().map { number, name in
            guard let symbol = Symbol(name) else { throw NoSymbol(description: name) }
            return HistoryBegun(
                number: UInt32(number),
                instrument: Instrument(
                    symbol: symbol, contract: Instrument.Contract(kind.security),
                    feeds: feeds ?? kind.feeds),
                last: last[name], mark: marks[name] ?? .undefined)
        }
        history.begin(begun, promised: promised, now, into: &out)
        collect()
    }

    /// Lets the machine do what is due. Returns its request; `nil`: it asks nothing.
    package mutating func turn() -> Service.Request? {
        let due = history.nextDue
        if due != .never { time = max(time, due.nanoseconds) }
        history.timePassed(now, into: &out)
        collect()
        if history.phase == .ending {
            history.end(now, into: &out)
            collect()
        }
        defer { out.request = nil }
        return out.request
    }

    private mutating func collect() {
        records += out.records
        out.records = []
    }

    /// Runs to the end against a past.
    package mutating func run(_ answer: (Service.Request) -> Service.Answer) {
        for _ in 0..<1_000 where history.phase == .loading {
            guard let request = turn() else { continue }
            requests.append(request)
            history.answered(request.number, .page(answer(request)), now)
        }
    }
}
