import EngineKit
import MarketModel
import Primitives
import Testing

@testable import PolledEngine

/// An engine with a clock of its own, and the records that came of it.
struct PolledBench {
    static let second: Int64 = 1_000_000_000
    /// 2026-11-20T07:00:00Z.
    static let start: Int64 = 1_795_158_000_000_000_000

    var engine: PolledEngine
    var out = PolledOutput()
    var records: [ProviderRecord] = []
    var notes: [PolledNote] = []
    private(set) var elapsed: Int64 = 0

    init(_ table: PolledTable, _ change: (inout PolledSettings) -> Void = { _ in }) {
        var settings = PolledSettings(table, seed: 1)
        change(&settings)
        engine = PolledEngine(settings)
    }

    var now: Moment {
        Moment(
            wall: Timestamp(nanoseconds: Self.start + elapsed),
            monotonic: MonotonicTime(nanoseconds: 5 * Self.second + elapsed))
    }

    /// Sets the clock to that of another bench.
    mutating func skip(to other: PolledBench) { elapsed = other.elapsed }

    static func instrument(
        _ symbol: String, feeds: Instrument.Feeds = .indicators, currency: String = "USD",
        provider: String = ""
    ) throws -> Instrument {
        var contract = Instrument.Contract(.index)
        contract.currency = currency
        contract.providerSymbol = provider
        return Instrument(
            symbol: try #require(Symbol(symbol)), contract: contract, feeds: feeds)
    }

    mutating func begin(
        _ symbols: String..., reached: Timestamp = .undefined, last: [PublishedValue] = [],
        gaps: [OpenGap] = []
    ) throws {
        let begun = try symbols.enumerated().map { number, symbol in
            PolledEngine.Begun(
                number: UInt32(number), instrument: try Self.instrument(symbol),
                reached: reached, last: last.filter { $0.instrument == number })
        }
        engine.follow(begun: begun, ended: [], gaps: gaps, now, into: &out)
        keep()
    }

    /// Keeps what came out.
    mutating func keep() {
        records += out.records
        out.records = []
        notes += out.notes
        out.notes = []
    }

    /// Lets time pass, and returns the request that is due then.
    @discardableResult
    mutating func pass(_ nanoseconds: Int64 = 0) -> PolledRequest? {
        elapsed += nanoseconds
        engine.timePassed(now, into: &out)
        keep()
        let request = out.request
        out.request = nil
        return request
    }

    /// Lets time pass until a request leaves, at most so long.
    mutating func next(within nanoseconds: Int64 = 86_400 * Self.second) -> PolledRequest? {
        let end = elapsed + nanoseconds
        var request = pass()
        while request == nil, elapsed < end {
            request = pass(max(1, min(end - elapsed, engine.nextDue - now.monotonic)))
        }
        return request
    }

    /// The same, where one has to leave.
    mutating func due(within nanoseconds: Int64 = 86_400 * second) throws -> PolledRequest {
        let request = next(within: nanoseconds)
        return try #require(request)
    }

    mutating func answer(
        _ request: PolledRequest, _ text: String, status: Int = 200, retryAfter: Int64? = nil
    ) {
        end(request, .answer(status: status, body: Array(text.utf8), retryAfter: retryAfter))
    }

    /// Ends a request, with or without an answer.
    mutating func end(_ request: PolledRequest, _ outcome: PolledOutcome) {
        engine.answered(request.number, outcome, now, into: &out)
        keep()
    }

    /// Waits for the next request, checks its path, and answers it.
    mutating func serve(_ path: String, _ text: String, status: Int = 200) throws {
        let request = try due()
        #expect(request.path == path)
        answer(request, text, status: status)
    }

    // MARK: what came

    var values: [IndicatorValue] {
        records.compactMap { if case .tape(.indicator(let value)) = $0 { value } else { nil } }
    }

    /// Values as "start value unit revision".
    var shownValues: [String] {
        values.map { value in
            let day = value.periodStart.description.prefix(19)
            let number = FixedPoint.text(value.value, decimals: 9)
            return "\(day) \(number) \(value.unit) r\(value.revision)"
        }
    }

    var gaps: [GapRecord] {
        records.compactMap { if case .tape(.gap(let gap)) = $0 { gap } else { nil } }
    }

    /// Gaps as "state from-to" in seconds since the start.
    var shownGaps: [String] {
        gaps.map { gap in
            func seconds(_ time: Timestamp) -> String {
                time.isDefined ? "\((time.nanoseconds - Self.start) / Self.second)" : ""
            }
            let state = GapState(rawValue: gap.state).map { "\($0)" } ?? "?"
            return "\(state) \(seconds(gap.from))-\(seconds(gap.to))"
        }
    }

    var states: [FeedState.State] {
        records.compactMap { if case .feed(let state) = $0 { state.state } else { nil } }
    }

    /// The query of a request, as in its address.
    func query(_ request: PolledRequest) -> String {
        request.query.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    }
}

/// Answers as the services document them.
enum Answers {
    /// `fred/series`, docs of FRED, shortened; the frequency is a parameter here.
    static func facts(_ frequency: String = "D", unit: String = "%") -> String {
        """
        {"realtime_start":"2026-11-19","realtime_end":"2026-11-19","seriess":[{"id":"DGS10",\
        "realtime_start":"2026-11-19","realtime_end":"2026-11-19","title":"Market Yield",\
        "frequency":"Daily","frequency_short":"\(frequency)","units":"Percent",\
        "units_short":"\(unit)","last_updated":"2026-11-19 15:16:05-06"}]}
        """
    }

    /// `fred/series/observations`, docs of FRED: dates and values, oldest first here.
    static func observations(_ values: [(date: String, value: String)]) -> String {
        let rows = values.reversed().map { one in
            """
            {"realtime_start":"2026-11-19","realtime_end":"2026-11-19","date":"\(one.date)",\
            "value":"\(one.value)"}
            """
        }.joined(separator: ",")
        return """
            {"realtime_start":"2026-11-19","realtime_end":"2026-11-19","count":\(values.count),\
            "offset":0,"limit":100000,"observations":[\(rows)]}
            """
    }

    /// `simple/price`, docs of CoinGecko.
    static let coin = #"{"bitcoin":{"usd":84210.12,"last_updated_at":1763622000}}"#

    /// `fng`, docs of Alternative.me.
    static let index = """
        {"name":"Fear and Greed Index","data":[{"value":"23","value_classification":"Extreme Fear",\
        "timestamp":"1780358400","time_until_update":"25675"}],"metadata":{"error":null}}
        """
}
