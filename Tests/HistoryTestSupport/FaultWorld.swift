package import EngineKit
package import MarketModel
package import Primitives

/// What an engine wants of its connection.
package enum FaultWish {
    case open(UInt32)
    case authenticate(UInt32)
    case send(UInt32, String)
    case close(UInt32)
    case fetch(StreamFetch)
}

/// An engine of a service, with a clock that the test moves, as `FaultWorld` needs it.
package protocol FaultBench {
    /// True time since `origin`, in nanoseconds.
    var time: Int64 { get set }
    /// How far the host's clock is ahead of it.
    var hostAhead: Int64 { get set }
    var records: [ProviderRecord] { get }
    static var origin: Timestamp { get }

    /// Returns the wishes since the last call.
    mutating func takeFaultWishes() -> [FaultWish]
    mutating func opened(_ number: UInt32)
    mutating func ended(_ number: UInt32, _ why: String)
    mutating func receive(_ text: String, on number: UInt32, isText: Bool)
    /// A turn of the engine's thread.
    mutating func turn()
    mutating func stop()
    /// What the service says first, and when it is authenticated.
    static var greetings: (first: [String], authenticated: [String]) { get }
    /// Returns what the service answers to a request, and whether its stream begins with it.
    func answers(to request: String) -> (texts: [String], isBegin: Bool)
    /// Returns the message of event `id` of the one symbol, which happens now.
    func event(_ id: UInt64) -> String
    /// Returns the number and the time of an event on the tape.
    static func event(of record: TapeRecord) -> (id: UInt64, time: Timestamp)?
    /// Another process, which begins with what this one has left.
    func next(gaps: [OpenGap]) -> Self
    /// The same. `reached`: until when an earlier process had recorded.
    func next(gaps: [OpenGap], reached: Timestamp) -> Self
    /// Returns a page of events as the service's past writes it. `next`: what names the next page;
    /// empty: there is none.
    func page(_ events: [PastEvent], next: String) -> [UInt8]
    /// Returns the times that a request asks for, and what names its page.
    func asked(_ query: PastQuery) -> (span: Range<Timestamp>?, page: String)?
    /// What became of a request.
    mutating func answer(_ number: UInt64, _ answer: StreamAnswer)
}

extension FaultBench {
    package func next(gaps: [OpenGap], reached: Timestamp) -> Self { next(gaps: gaps) }

    package func page(_ events: [PastEvent], next: String) -> [UInt8] { [] }

    package func asked(_ query: PastQuery) -> (span: Range<Timestamp>?, page: String)? { nil }
}

/// A service with one symbol and ten events a second, whose connection is slow, mute or cut.
package struct FaultWorld<Bench: FaultBench> {
    /// An event happens in each step.
    static var step: Int64 { 100_000_000 }
    static var eventsPerSecond: Int { Int(1_000_000_000 / step) }
    /// How long a message of the service is under way.
    static var latency: Int64 { 30_000_000 }

    var bench: Bench
    /// Whether the process reads; the service's buffer waits otherwise.
    var isReading = true
    /// Whether the service sends no events, and answers all else.
    var isMute = false
    /// When each event happened, by its number less 1.
    var happened: [Timestamp] = []
    /// The connections that were opened.
    var opened = 0
    /// What has come onto the tape.
    var tape: [TapeRecord] = []
    /// The records of the process that are on the tape.
    var taken = 0
    /// The open connection.
    var connection: UInt32?
    var isSubscribed = false
    /// The messages under way on it, and when they arrive.
    var underWay: [(at: Int64, text: String)] = []
    /// What becomes of requests for the past.
    var past = FaultPast()

    init(_ bench: Bench) { self.bench = bench }

    /// Lets time pass.
    mutating func run(seconds: Int64) {
        for _ in 0..<(seconds * 1_000_000_000 / Self.step) { step() }
    }

    /// Lets one event happen, and the process take what has arrived.
    mutating func step(_ length: Int64 = step) {
        bench.time += length
        happened.append(Bench.origin.advanced(byNanoseconds: bench.time))
        if connection != nil, isSubscribed, !isMute {
            underWay.append((bench.time + Self.latency, bench.event(UInt64(happened.count))))
        }
        if isReading { read(.max) }
    }

    /// A turn of the process, which reads so many messages.
    mutating func read(_ most: Int) {
        var count = 0
        while count < most, let first = underWay.first, first.at <= bench.time, let connection {
            underWay.removeFirst()
            count += 1
            bench.receive(first.text, on: connection, isText: true)
        }
        bench.turn()
        carryOutWishes()
    }

    /// The connection ends; what waited in it is lost.
    mutating func cut() {
        guard let number = connection else { return }
        connection = nil
        underWay = []
        bench.ended(number, "cut")
        carryOutWishes()
    }

    /// The process ends in good order, and three seconds later another one begins.
    mutating func restart() {
        bench.stop()
        carryOutWishes()
        begin(openGaps, reached: .undefined)
    }

    /// Another process begins three seconds later with gaps.
    mutating func begin(_ gaps: [OpenGap], reached: Timestamp) {
        bench = bench.next(gaps: gaps, reached: reached)
        taken = 0
        connection = nil
        underWay = []
        passWithoutProcess(seconds: 3)
        carryOutWishes()
    }

    /// Lets events happen that no process takes.
    mutating func passWithoutProcess(seconds: Int64) {
        for _ in 0..<seconds * Int64(Self.eventsPerSecond) {
            bench.time += Self.step
            happened.append(Bench.origin.advanced(byNanoseconds: bench.time))
        }
    }

    /// Does what the process wants, and puts its records onto the tape.
    mutating func carryOutWishes() {
        for wish in bench.takeFaultWishes() {
            switch wish {
            case .open(let number) where bench.time < past.refusedUntil: bench.ended(number, "cut")
            case .open(let number):
                opened += 1
                (connection, isSubscribed, underWay) = (number, false, [])
                bench.opened(number)
                say(Bench.greetings.first)
            case .close(let number): if connection == number { (connection, underWay) = (nil, []) }
            case .authenticate: say(Bench.greetings.authenticated)
            case .send(_, let text):
                let (texts, isBegin) = bench.answers(to: text)
                say(texts)
                if isBegin { isSubscribed = true }
            case .fetch(let fetch): answer(fetch)
            }
        }
        for case .tape(let record) in bench.records.dropFirst(taken) { tape.append(record) }
        taken = bench.records.count
    }

    /// The service sends messages.
    private mutating func say(_ texts: [String]) {
        for text in texts { underWay.append((bench.time + Self.latency, text)) }
    }

    /// The records of gaps on the tape.
    var gaps: [GapRecord] {
        tape.compactMap { if case .gap(let gap) = $0 { gap } else { nil } }
    }

    /// Those that a later process gets.
    var openGaps: [OpenGap] {
        gaps.forSuccessor(gaps.last.flatMap { DataKind(rawValue: $0.kind) } ?? .trade)
    }

    /// What became of the events.
    private struct Outcome {
        /// Those that did not come, after the first one that did.
        var missing: [Timestamp] = []
        /// Those of them that lie in no gap.
        var unrecorded: [Timestamp] = []
        /// Those that came and lie in a gap.
        var doubted = 0
    }

    private var outcome: Outcome {
        let there = Dictionary(tape.compactMap { Bench.event(of: $0) }) { first, _ in first }
        var outcome = Outcome()
        guard let first = there.keys.min() else { return outcome }
        let last = gaps.ofMissing
        for (place, time) in happened.enumerated().dropFirst(Int(first)) {
            let isMissing = last.haveMissing(time)
            if there[UInt64(place + 1)] != nil {
                outcome.doubted += isMissing ? 1 : 0
            } else {
                outcome.missing.append(time)
                if !isMissing { outcome.unrecorded.append(time) }
            }
        }
        return outcome
    }
}

/// What happens to a connection.
package enum ConnectionFault: CaseIterable, Sendable {
    /// It is cut.
    case cut
    /// Nothing is read for half a minute, then four seconds of it, and then it is cut.
    case slow
    /// The same, but the process ends in good order.
    case slowAtStop
    /// For an hour nothing comes but answers, on whatever connection.
    case mute
    /// The same a few seconds after the process has begun, for a minute.
    case muteSoon
    /// It dies with what is under way, and the process is killed before that shows.
    case dead
}

extension FaultWorld {
    /// Lets the fault happen. Returns what is wrong, in sentences: each event that did not come
    /// lies in a gap, and few others do.
    package static func problems(of fault: ConnectionFault, _ bench: Bench) -> [String] {
        var world = FaultWorld(bench)
        var problems = world.run(fault)
        let outcome = world.outcome
        // Else the fault was none.
        if outcome.missing.count <= 5 { problems.append("nothing was lost") }
        if !outcome.unrecorded.isEmpty {
            problems.append(
                "\(outcome.unrecorded.count) of \(outcome.missing.count) events lie in no gap")
        }
        // What came within ten seconds before and after may be in doubt, and not more.
        if outcome.doubted >= 20 * Self.eventsPerSecond {
            problems.append("\(outcome.doubted) came and lie in a gap")
        }
        // The first one, and one after the fault.
        if world.opened != 2 { problems.append("\(world.opened) connections were opened") }
        return problems
    }

    /// Runs a minute, then the fault, then half a minute, and ends. Returns what was wrong while
    /// the fault lasted.
    private mutating func run(_ fault: ConnectionFault) -> [String] {
        var problems: [String] = []
        bench.turn()
        carryOutWishes()
        run(seconds: fault == .muteSoon ? 8 : 60)
        switch fault {
        case .cut: cut()
        case .slow, .slowAtStop:
            isReading = false
            run(seconds: 30)
            isReading = true
            read(4 * Self.eventsPerSecond)
            if fault == .slow { cut() } else { restart() }
        case .mute, .muteSoon:
            isMute = true
            // What is under way arrives.
            step()
            for _ in 0..<(fault == .mute ? 3_600 : 60) { step(1_000_000_000) }
            // What is older than the last 60 events, which are a second apart, is in a gap by now.
            let old = happened[happened.count - 60]
            let hidden = outcome.unrecorded.count { $0 <= old }
            if hidden > 0 { problems.append("\(hidden) events lie in no gap while it lasts") }
            isMute = false
        case .dead:
            isReading = false
            run(seconds: 2)
            isReading = true
            read(1)
            (underWay, isMute) = ([], true)
            for _ in 0..<99 { step() }
            kill()
            isMute = false
        }
        run(seconds: 30)
        bench.stop()
        carryOutWishes()
        return problems
    }
}

extension [GapRecord] {
    /// What is missing at last. The last record about a moment counts.
    package var ofMissing: [GapRecord] { left.filter { $0.state != GapState.filled.rawValue } }

    /// What each part of the gaps is at last.
    private var left: [GapRecord] {
        var parts: [GapRecord] = []
        for record in self {
            // It has the end of one that had none.
            parts.removeAll { !$0.to.isDefined && $0.from == record.from }
            parts = parts.flatMap { $0.without(record) } + [record]
        }
        return parts
    }

    /// The gaps that a later process gets, of an instrument.
    package func forSuccessor(_ kind: DataKind = .trade) -> [OpenGap] {
        let states = [GapState.open, .filling].map(\.rawValue)
        return left.filter { states.contains($0.state) }.map {
            OpenGap(
                instrument: $0.header.symbol, kind: kind, from: $0.from, to: $0.to,
                reason: GapReason(rawValue: $0.reason) ?? .unknown)
        }
    }

    /// Whether one of them says that what happened at a moment is missing.
    package func haveMissing(_ time: Timestamp) -> Bool {
        contains { $0.from <= time && (!$0.to.isDefined || time < $0.to) }
    }
}

extension GapRecord {
    /// Returns the parts of it of which a later record says nothing.
    fileprivate func without(_ other: GapRecord) -> [GapRecord] {
        let never = Timestamp(nanoseconds: .max)
        let (end, otherEnd) = (to.isDefined ? to : never, other.to.isDefined ? other.to : never)
        guard from < otherEnd, other.from < end else { return [self] }
        var (before, after) = (self, self)
        before.to = other.from
        after.from = otherEnd
        return (from < other.from ? [before] : []) + (otherEnd < end ? [after] : [])
    }
}

extension [ProviderRecord] {
    /// The records for the tape.
    package var taped: [TapeRecord] {
        compactMap { if case .tape(let record) = $0 { record } else { nil } }
    }

    /// The time before which all had arrived, as a later process is told it.
    package var arrived: Timestamp {
        lazy.compactMap(\.header).flatMap { header -> [Timestamp] in
            let isOfPast = !header.flags.isDisjoint(with: [.backfilled, .delayed])
            return isOfPast || !header.providerTime.isDefined
                ? [header.receiveTime]
                : [header.receiveTime, header.providerTime.advanced(byNanoseconds: 1)]
        }.max() ?? .undefined
    }
}
