internal import IBProtocol
package import Primitives
package import MarketModel

/// The settings of a client that asks for the past.
package struct IBHistoryClientSettings: Hashable, Sendable {
    /// Its connection. It has a client id of its own.
    package var engine: IBEngineSettings
    /// The requests that it makes in ten minutes. The account has 60 for all of its clients.
    package var requests: Int
    /// The longest wait for an answer.
    package var answerWait = BackfillLimits().answerWait

    package init(_ engine: IBEngineSettings, requests: Int) {
        self.engine = engine
        self.requests = requests
    }
}

/// Asks a TWS or IB Gateway about its past, without a socket and a clock: questions and bytes go
/// in; bytes, wishes and answers come out.
///
/// A question is answered once. After the end of a connection, a complaint about pace, a failure of
/// the broker's history, or no answer at all, that is the answer (`HistoryReply.failed`), and the
/// caller asks again. Questions wait here while the broker's limits want it. The caller connects as
/// `IBEngine` wants it, too.
package struct IBHistoryClient: Sendable {
    /// The work for the caller, who empties it.
    package struct Output: Sendable {
        /// To be sent to the server, in order.
        package var bytes: [UInt8] = []
        /// `nil`: the connection stays as it is.
        package var wish: IBEngine.Wish?
        /// The questions that are answered, by their numbers.
        package var replies: [(number: UInt64, reply: HistoryReply)] = []

        package init() {}
    }

    /// A question without an answer.
    struct Asked: Sendable {
        let number: UInt64
        let question: IBHistoryQuestion
        /// The number of its request; `nil`: the session was not ready yet.
        var request: Int32?
        /// When its answer is due; `never`: it has not left.
        var due = MonotonicTime.never
        /// The answer, as far as it has come.
        var page = HistoryPage()
        var contracts: [ContractDetails] = []
    }

    package let settings: IBHistoryClientSettings
    var session: SessionMachine
    var wire = Wire()
    var pacing: PacingMachine
    var ids = RequestIDs()
    /// By the order of asking. Each of a load's symbols asks one thing at a time.
    var asked: [Asked] = []
    var version = ServerVersion.max
    var vendorLostSince: MonotonicTime?
    var historyFarms = FarmWatch()
    let resets: ResetSchedule
    /// The rules of the zones that people of the broker's regions live in, for resets.
    var zones: [String: ZoneRules] = [:]
    private var lastNumber: UInt64 = 0
    /// Requests that left.
    package private(set) var requests: UInt64 = 0
    let limits = BackfillLimits()

    package init(_ settings: IBHistoryClientSettings) {
        self.settings = settings
        session = SessionMachine(settings.engine)
        var paces = PacingLimits()
        paces.history.max = max(1, min(paces.history.max, settings.requests))
        // The question when a contract was traded may be counted with those for its trades.
        paces.burst.max -= 1
        pacing = PacingMachine(paces)
        resets = ResetSchedule(settings.engine.region)
    }

    /// Sizes of stocks in the past come in lots.
    package var sizesAreLots: Bool { !ServerVersion.hasHistoricalShares(version) }

    /// The zones whose rules it wants, for the hours in which the vendor restarts its servers.
    package var wantedZones: [String] { resets.zones }

    package mutating func know(_ zone: String, _ rules: ZoneRules) { zones[zone] = rules }

    /// Asks a question. Its answer has the returned number.
    package mutating func ask(_ question: IBHistoryQuestion) -> UInt64 {
        lastNumber &+= 1
        asked.append(Asked(number: lastNumber, question: question))
        return lastNumber
    }

    // MARK: the connection

    /// Begins to connect.
    package mutating func begin(_ now: Moment) { session.begin(now.monotonic) }

    /// The socket is open.
    package mutating func connected(_ now: Moment, into out: inout Output) {
        wire = Wire()
        wire.isOpen = true
        vendorLostSince = nil
        historyFarms.clear()
        session.connected(now.monotonic)
        out.bytes += wire.opening
    }

    /// The connection has ended, or none could be opened.
    package mutating func lost(_ reason: String, _ now: Moment, into out: inout Output) {
        wire.isOpen = false
        let isReset = resets.contains(now.wall, zones)
        _ = session.lost(reason, isReset: isReset, now.monotonic)
        failAll(session.reason, into: &out)
    }

    /// Bytes came from the server: any part of the stream, in order.
    package mutating func received(_ bytes: RawSpan, _ now: Moment, into out: inout Output) {
        guard session.phase != .closing else { return }
        wire.frames.append(bytes)
        session.received(now.monotonic)
        do throws(IBWireError) {
            while case .frame(let range) = try wire.frames.next() {
                if wire.decoder == nil {
                    try greet(range, now, into: &out)
                } else if let decoded = wire.decode(range) {
                    take(decoded, range, now, into: &out)
                }
                guard session.phase != .closing else { return }
            }
        } catch {
            close("\(error)", now, into: &out)
        }
    }

    private mutating func greet(
        _ range: Range<Int>, _ now: Moment, into out: inout Output
    ) throws(IBWireError) {
        guard let handshake = wire.handshake else { return }
        let greeting = try wire.frames.withFrame(range) { body throws(IBWireError) in
            try handshake.answer(body)
        }
        wire.decoder = MessageDecoder(version: greeting.version)
        version = greeting.version
        session.greeted(now.monotonic)
        send(.startAPI(client: settings.engine.clientID), into: &out)
    }

    /// Asks the caller to close the connection.
    mutating func close(_ reason: String, _ now: Moment, into out: inout Output) {
        guard session.phase != .closing, session.phase != .idle else { return }
        session.closing(reason, now.monotonic)
        out.wish = .close(reason)
    }

    // MARK: time

    /// Does what is due. The caller calls it at `nextDue`, and after questions.
    package mutating func timePassed(_ now: Moment, into out: inout Output) {
        switch session.timePassed(now.monotonic) {
        case .none: break
        case .connect: out.wish = .connect
        case .close(let reason): close(reason, now, into: &out)
        case .heartbeat: send(.currentTime, into: &out)
        }
        if let since = vendorLostSince, now.monotonic >= since + EngineLimits.downWaitMax {
            close("the platform was without the vendor for 600 s", now, into: &out)
        }
        guard session.isReady else { return }
        if historyFarms.isAnyDown { _ = historyFarms.expire(now.monotonic) }
        holdHistory(now)
        // Backwards: one that is answered is removed.
        for place in asked.indices.reversed() {
            if asked[place].request == nil {
                queue(place, now, into: &out)
            } else if asked[place].due <= now.monotonic {
                giveUpWaiting(place, now, into: &out)
            }
        }
        sendDue(now, into: &out)
    }

    /// When `timePassed` has something to do, monotonic; `never`: only another call changes that.
    package var nextDue: MonotonicTime {
        guard session.isReady else { return session.nextDue }
        return asked.reduce(min(session.nextDue, pacing.nextDue)) { due, item in
            min(due, item.request == nil ? .distantPast : item.due)
        }
    }

    private mutating func queue(_ place: Int, _ now: Moment, into out: inout Output) {
        let id = ids.next()
        let isOfContracts = if case .contracts = asked[place].question { true } else { false }
        let isQueued = pacing.ask(
            asked[place].question.request(id), isOfContracts ? .live : .backfill,
            now: now.monotonic)
        guard isQueued else {
            return answer(place, .failed("too many requests wait"), now, into: &out)
        }
        asked[place].request = id
    }

    private mutating func giveUpWaiting(
        _ place: Int, _ now: Moment, into out: inout Output
    ) {
        guard let id = asked[place].request else { return }
        // Details have no cancel that servers of all versions know.
        if case .contracts = asked[place].question {
        } else {
            _ = pacing.ask(.cancelHistory(id: id), .urgent, now: now.monotonic)
        }
        let seconds = settings.answerWait.components.seconds
        answer(place, .failed("TWS did not answer in \(seconds) s"), now, into: &out)
    }

    private mutating func sendDue(_ now: Moment, into out: inout Output) {
        var leaving: [IBRequest] = []
        pacing.take(now: now.monotonic, into: &leaving)
        for request in leaving {
            let place = request.number.flatMap { id in asked.firstIndex { $0.request == id } }
            do throws(RequestError) {
                out.bytes += try request.encoded(version: version)
                guard let place else { continue }
                requests &+= 1
                asked[place].due = now.monotonic.advanced(by: settings.answerWait)
            } catch {
                guard let place else { continue }
                answer(place, .refused("\(error)"), now, into: &out)
            }
        }
    }

    /// Sends what does not wait in pacing: the introduction, and questions for the time.
    private func send(_ request: IBRequest, into out: inout Output) {
        do throws(RequestError) {
            out.bytes += try request.encoded(version: version)
        } catch {
            assertionFailure("a request without fields that could be wrong is refused: \(error)")
        }
    }

    mutating func holdHistory(_ now: Moment) {
        pacing.holdHistory(
            vendorLostSince != nil || historyFarms.isAnyYoung(now.monotonic), now: now.monotonic)
    }

    // MARK: outcomes

    /// No question that is open will be answered.
    mutating func failAll(_ why: String, into out: inout Output) {
        pacing.reset()
        out.replies += asked.map { ($0.number, .failed(why)) }
        asked = []
    }

    mutating func answer(
        _ place: Int, _ reply: HistoryReply, _ now: Moment, into out: inout Output
    ) {
        let item = asked.remove(at: place)
        if let id = item.request { pacing.answered(id: id, now: now.monotonic) }
        out.replies.append((item.number, reply))
    }
}
