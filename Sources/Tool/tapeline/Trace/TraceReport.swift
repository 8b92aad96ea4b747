import DeploymentWatch
import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeTraces

/// What `tapeline trace` shows.
struct TraceReport {
    let tick: TracedTick
    let books: TraceBooks
    /// How NATS's clock differs from this machine's.
    let nats: ClockOffset?
    /// The id of its packet's trace, with which a collector finds it.
    let trace: TraceID

    /// A moment of the tick's way.
    struct Step: Equatable {
        let name: String
        /// `nil`: nothing recorded it.
        let time: Timestamp?
        /// Whose clock says it.
        let clock: String
        /// From the last known step before it, which may be of another clock.
        var afterNanoseconds: Int64?
        /// Why the time is not known.
        let note: String

        init(_ name: String, _ time: Timestamp?, by clock: String, note: String = "") {
            self.name = name
            self.time = time?.isDefined == true ? time : nil
            self.clock = clock
            self.note = note
        }
    }

    private static let unread = "no reader records it"

    var steps: [Step] {
        let header = tick.header
        var steps: [Step] = []
        if header.providerTime.isDefined {
            steps.append(Step("happened", header.providerTime, by: "the provider"))
        }
        steps += [
            Step("received", header.receiveTime, by: "the gateway"),
            Step("sealed", tick.packet.header.sendTime, by: "the gateway"),
            Step("acknowledged", tick.packet.stored, by: "NATS"),
            Step("read", nil, by: "the worker", note: Self.unread),
            committed,
        ]
        var last: Timestamp?
        for index in steps.indices {
            guard let time = steps[index].time else { continue }
            steps[index].afterNanoseconds = last.map { time.nanoseconds(since: $0) }
            last = time
        }
        return steps
    }

    private var committed: Step {
        var time: Timestamp?
        let note: String
        switch (books.problem, books.row) {
        case (let problem?, _): note = problem
        case (nil, .notLooked): note = "records of this kind are not looked up"
        case (nil, .missing): note = "it has no row: not written yet, or a dead letter"
        case (nil, .committed(nil)):
            note = "it has a row; the server keeps times with track_commit_timestamp alone"
        case (nil, .committed(let known?)):
            time = known
            note = ""
        }
        return Step("committed", time, by: "the database", note: note)
    }

    /// What is known of the clocks, by host.
    var clocks: [(host: String, says: String)] {
        var clocks: [(host: String, says: String)] = [
            ("NATS", nats.map(Self.offset) ?? "not known (NATS_MONITOR_URL)"),
            ("the database", books.clock.map(Self.offset) ?? "not known"),
            (
                "the gateway",
                Self.bound(from: tick.packet.header.sendTime, to: tick.packet.stored)
            ),
        ]
        let shown = books.bars.first { $0.sent != nil && $0.taken != nil }
        if let sent = shown?.sent, let taken = shown?.taken {
            clocks.append(("the operator-worker", Self.bound(from: sent, to: taken)))
        }
        return clocks
    }

    private static func offset(_ clock: ClockOffset) -> String {
        let nanoseconds = Int64((clock.seconds * 1e9).rounded())
        let direction = nanoseconds < 0 ? "behind" : "ahead of"
        return "\(milliseconds(abs(nanoseconds))) ms \(direction) this machine's, or "
            + "\(milliseconds(Int64(clock.uncertainty * 1e9))) ms off that"
    }

    /// What a packet shows of its sender's clock: the tape took it after it was sent.
    private static func bound(from sent: Timestamp, to taken: Timestamp) -> String {
        let nanoseconds = taken.nanoseconds(since: sent)
        return nanoseconds < 0
            ? "at least \(milliseconds(-nanoseconds)) ms ahead of NATS's, as its packet shows"
            : "at most \(milliseconds(nanoseconds)) ms behind NATS's, as its packet shows"
    }

    /// In milliseconds, rounded to microseconds.
    static func milliseconds(_ nanoseconds: Int64) -> String {
        let microseconds = Int64((nanoseconds.magnitude + 500) / 1_000)
        return FixedPoint.text(nanoseconds < 0 ? -microseconds : microseconds, decimals: 3)
    }
}

extension TraceReport {
    var lines: [String] {
        let packet = tick.packet.header
        let what = [
            "\(tick.kind.rawValue) \(tick.address):", tick.symbol?.symbol.text ?? "no symbol",
            values,
        ]
        let rows = steps.map { step in
            let after = step.afterNanoseconds.map {
                ($0 < 0 ? "" : "+") + "\(Self.milliseconds($0)) ms"
            }
            return [
                step.name, after ?? "", step.time.map { "\($0)" } ?? "not known",
                step.note.isEmpty ? "by \(step.clock)" : step.note,
            ]
        }
        return [what.filter { !$0.isEmpty }.joined(separator: "  ")]
            + [
                "trace \(trace): packet \(packet.firstOrdinal) to \(packet.nextOrdinal - 1) of "
                    + "epoch \(packet.epoch), message \(tick.packet.sequence)"
            ]
            + TextTable.lines([["STEP", "AFTER", "TIME", ""]] + rows, numbers: [1])
            .map { "  \($0)" }
            + barLines + ["clocks:"]
            + TextTable.lines([["CLOCK OF", "IS"]] + clocks.map { [$0.host, $0.says] })
            .map { "  \($0)" }
    }

    private var values: String {
        switch tick.values {
        case .trade(let trade): "\(trade.size) at \(trade.price)"
        case .quote(let quote):
            "\(quote.bidSize) at \(quote.bidPrice), \(quote.askSize) at \(quote.askPrice)"
        case .other: ""
        }
    }

    private var barLines: [String] {
        guard books.problem == nil else { return [] }
        guard !books.bars.isEmpty else { return ["no bar with its time is stored"] }
        let header = ["SERIES", "SOURCE", "FROM", "TO", "VERSION", "SENT", "TAKEN BY THE TAPE"]
        let rows = books.bars.map { bar in
            [bar.series, bar.source, bar.from, bar.to, bar.version]
                + [bar.sent, bar.taken].map { $0.map { "\($0)" } ?? "not known" }
        }
        return ["bars with its time ('tapeline explain' says whether it counts):"]
            + TextTable.lines([header] + rows, numbers: [4]).map { "  \($0)" }
    }

    var json: String {
        JSONWriter.made { json in
            json.member("tick_id", "\(tick.address)")
            json.member("kind", tick.kind.rawValue)
            json.member("symbol", orNull: tick.symbol?.symbol.text)
            json.member("trace_id", "\(trace)")
            json.object("packet") { json in
                json.member("first_ordinal", tick.packet.header.firstOrdinal)
                json.member("last_ordinal", tick.packet.header.nextOrdinal - 1)
                json.member("epoch", tick.packet.header.epoch)
                json.member("sequence", tick.packet.sequence)
            }
            json.member("steps", each: steps) { step, json in
                json.member("step", step.name)
                json.member("time", orNull: step.time ?? .undefined)
                json.member("time_ns", orNull: step.time?.nanoseconds)
                json.member("after_ns", orNull: step.afterNanoseconds)
                json.member("clock", step.clock)
                json.member("note", step.note)
            }
            json.member("bars", each: books.bars) { bar, json in
                json.member("series", bar.series)
                json.member("source", bar.source)
                json.member("from", bar.from)
                json.member("to", bar.to)
                json.member("version", bar.version)
                json.member("sent", orNull: bar.sent ?? .undefined)
                json.member("sent_ns", orNull: bar.sent?.nanoseconds)
                json.member("taken", orNull: bar.taken ?? .undefined)
                json.member("taken_ns", orNull: bar.taken?.nanoseconds)
            }
            json.member("clocks", each: clocks) { clock, json in
                json.member("host", clock.host)
                json.member("says", clock.says)
            }
        }.text
    }
}
