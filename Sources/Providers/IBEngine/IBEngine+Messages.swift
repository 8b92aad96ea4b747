internal import IBProtocol
internal import MarketModel
internal import Primitives

/// The bytes from the server on one connection, cut into messages.
struct Wire: Sendable {
    var frames = FrameDecoder()
    /// `nil` before the server's greeting, which contains the version of the protocol.
    var decoder: MessageDecoder?
    /// Makes the first bytes of a session and reads the server's greeting; `nil`: its options are
    /// wrong, which does not happen.
    var handshake: Handshake?
    /// The socket is open.
    var isOpen = false

    init() {
        do throws(IBWireError) {
            handshake = try Handshake()
        } catch {
            // `Handshake` fails only because of its options, and none are given. Without a
            // handshake nothing is sent, and the session closes the connection by itself.
            handshake = nil
        }
    }

    /// How many prices and sizes of this connection have more digits than the tape's scale.
    @inline(__always)
    var lostNumbers: UInt64 { decoder?.counters.lostNumbers ?? 0 }

    /// The first bytes to send.
    var opening: [UInt8] { handshake?.opening ?? [] }

    /// Decodes the message in this range of `frames`. The decoder counts what it reads.
    static func decode(
        _ frames: FrameDecoder, _ range: Range<Int>, _ decoder: inout MessageDecoder
    ) -> Decoded {
        frames.withFrame(range) { decoder.decode($0) }
    }
}

/// The state of the connection as notices have reported it.
struct LinkState: Sendable {
    /// When bytes last came, by the wall clock; undefined: none came on this connection. What the
    /// server sent before has come.
    var lastMessage = Timestamp.undefined
    /// How much of `Wire.lostNumbers` was reported, and when that last was, monotonic.
    var numbersReported: UInt64 = 0
    var numbersReportedAt = MonotonicTime.distantPast
    /// When the platform lost the vendor, monotonic; `nil` while it has its vendor.
    var vendorLostSince: MonotonicTime?
    /// The kind of data that the server was last asked for: 1 live, 3 delayed; `nil`: the server
    /// may have forgotten it. A connection begins with live data.
    var dataMode: Int32? = 1
    /// Farms of market data that are down.
    var farms = FarmWatch()
    /// Farms of history that are down.
    var historyFarms = FarmWatch()
    /// Farms of contract definitions that are down.
    var definitionFarms = FarmWatch()
}

extension IBEngine {
    /// Handles all messages that have come completely. A stream that cannot be cut into messages
    /// closes the connection.
    mutating func read() {
        do {
            while case .frame(let range) = try wire.frames.next() {
                if wire.decoder == nil {
                    try greet(range)
                } else {
                    message(range)
                }
                guard session.phase != .closing else { return }
            }
        } catch {
            close("\(error)")
        }
    }

    /// Reads the server's greeting, and answers with the client's introduction.
    private mutating func greet(_ range: Range<Int>) throws(IBWireError) {
        guard let handshake = wire.handshake else { return }
        let greeting = try wire.frames.withFrame(range) { body throws(IBWireError) in
            try handshake.answer(body)
        }
        wire.decoder = MessageDecoder(version: greeting.version)
        turn.platform.version = greeting.version
        turn.backfill.historySizesAreLots = !ServerVersion.hasHistoricalShares(greeting.version)
        session.greeted(turn.now.monotonic)
        sendNow(.startAPI(client: settings.clientID))
    }

    /// Decodes and handles one message.
    private mutating func message(_ range: Range<Int>) {
        guard let decoded = decode(range) else { return }
        if wire.lostNumbers != link.numbersReported { reportNumbers(decoded) }
        switch decoded {
        case .message(let message):
            turn.counters.messages &+= 1
            take(message)
        case .unknown: turn.counters.unknownMessages &+= 1
        case .skipped(let id, let fault):
            turn.counters.skip(fault)
            turn.report(.skipped(id: id, fault))
            unreadable(range)
        }
    }

    /// Reports prices or sizes that have more digits than the tape's scale. An instrument with one
    /// such number has many, so they are reported together.
    private mutating func reportNumbers(_ decoded: Decoded) {
        guard turn.now.monotonic >= link.numbersReportedAt + EngineLimits.numbersReported else {
            return
        }
        var instrument: UInt32?
        if case .message(let message) = decoded, let request = message.request {
            instrument = feeds.instrument(of: request)
        }
        turn.report(
            .numbers(instrument: instrument, count: wire.lostNumbers &- link.numbersReported))
        (link.numbersReported, link.numbersReportedAt) = (wire.lostNumbers, turn.now.monotonic)
    }

    /// Returns `nil` before the greeting.
    @inline(__always)
    private mutating func decode(_ range: Range<Int>) -> Decoded? {
        guard wire.decoder != nil else { return nil }
        return wire.decode(range)
    }

    /// Handles a message that was skipped because of a fault. If it answers a request for history
    /// or a document, the request has failed, because its answer would stay incomplete.
    private mutating func unreadable(_ range: Range<Int>) {
        let decoder = wire.decoder
        let request = wire.frames.withFrame(range) { decoder?.request(of: $0) }
        guard let request else { return }
        if turn.backfill.unreadable(request, now: turn.now, into: &turn.live.records) {
            turn.pacing.answered(id: request, now: turn.now.monotonic)
        } else {
            feeds.unreadable(request, in: &turn)
        }
    }

    /// Gives a message to the part of the engine that it concerns.
    @inline(__always)
    private mutating func take(_ message: IBMessage) {
        switch message {
        case .tick, .feed: takeOfFeed(message)
        case .history(let answer): takeHistory(answer)
        case .contract(.details(let details)): feeds.took(details)
        case .contract(.end(let request)): feeds.tookAllDetails(request, in: &turn)
        case .notice(let notice): take(notice)
        case .session(let message): take(message)
        }
    }

    private mutating func take(_ message: SessionMessage) {
        switch message {
        case .nextValidID(let id):
            turn.ids.begin(at: id)
            noteIntroduction(id: true, accounts: false)
        case .managedAccounts: noteIntroduction(id: false, accounts: true)
        case .currentTime(let time):
            turn.timeAnswered = turn.now.monotonic
            turn.report(.clockDifference(turn.clock.answered(time, turn.now)))
        case .bulletin(let bulletin): take(bulletin)
        case .newsProviders(let providers): feeds.took(providers, turn.now)
        }
    }

    /// Gives a message to the feed that requested it. A message of a subscription that has ended is
    /// counted.
    @inline(__always)
    private mutating func takeOfFeed(_ message: IBMessage) {
        guard let request = message.request, feeds.take(message, of: request, in: &turn) else {
            turn.counters.strayMessages &+= 1
            return
        }
    }

    /// Gives an answer of history to the backfill, or to the feed that requested it.
    private mutating func takeHistory(_ answer: HistoryAnswer) {
        let request = answer.request
        if turn.backfill.took(answer, now: turn.now, into: &turn.live.records) {
            noteHistoryAnswer()
            if !turn.backfill.isOpen(request) {
                turn.pacing.answered(id: request, now: turn.now.monotonic)
            }
        } else {
            turn.pacing.answered(id: request, now: turn.now.monotonic)
            if !feeds.take(.history(answer), of: request, in: &turn) {
                turn.counters.strayMessages &+= 1
            }
        }
    }

    /// Puts a bulletin on the tape, once. A new connection sends the bulletins of the day again.
    mutating func take(_ bulletin: BulletinMessage) {
        let seen = SeenBulletin(id: bulletin.id, text: bulletin.text.cutToReason)
        guard !bulletins.contains(seen) else { return }
        if bulletins.count >= EngineLimits.bulletinsMax { bulletins.removeFirst() }
        bulletins.append(seen)
        turn.live.put(.bulletin(bulletin.record(receivedAt: turn.now.wall)))
    }

    /// Notes a part of the server's answer to the client's introduction: the next free request
    /// number (`id`), or the names of the accounts. With both the session is ready, and feeds are
    /// requested.
    private mutating func noteIntroduction(id: Bool, accounts: Bool) {
        guard session.received(id: id, accounts: accounts, turn.now.monotonic) else { return }
        turn.platform.isReady = true
        turn.platform.isHealthy = link.vendorLostSince == nil
        turn.platform.knowsContracts = !link.definitionFarms.isAnyDown
        turn.platform.isFarmDown = link.farms.isAnyDown
        holdHistory()
        turn.counters.connections &+= 1
        _ = turn.pacing.ask(.currentTime, .urgent, now: turn.now.monotonic)
        askBulletins()
        feeds.nextScan = turn.now.monotonic
        feeds.scan(in: &turn)
    }

    /// Asks for live or for delayed data, if the request that follows needs another kind than the
    /// last one. The server applies it to the later requests of the connection. It leaves with its
    /// request, so that none comes in between, and counts as a message.
    private mutating func sendMode(for request: IBRequest) {
        guard case .marketData(let id, _, _) = request else { return }
        let mode: Int32 = feeds.asksForDelayed(id) ? 3 : 1
        guard mode != link.dataMode else { return }
        link.dataMode = mode
        turn.pacing.sentBeside(now: turn.now.monotonic)
        sendNow(.marketDataType(mode))
    }

    /// Does what every call of the engine ends with: sends the requests that may leave now, and
    /// reports the state of the connection if it has changed.
    mutating func sendAndReport() {
        if turn.platform.isReady {
            requestBackfills()
            requests.removeAll(keepingCapacity: true)
            turn.pacing.take(now: turn.now.monotonic, into: &requests)
            // Requests for delayed data leave last, so that the kind changes twice at most.
            let late = requests.filter { $0.number.map { feeds.asksForDelayed($0) } ?? false }
            if !late.isEmpty { requests.removeAll { late.contains($0) } }
            requests += late
            for request in requests {
                sendMode(for: request)
                guard send(request) else { continue }
                feeds.sent(request, turn.clock, turn.now)
                if let id = request.number { turn.backfill.sent(id, now: turn.now.monotonic) }
            }
        }
        reportState()
    }

    /// Queues the backfill's requests that are due in pacing.
    private mutating func requestBackfills() {
        if turn.now.monotonic >= inheritedGapsDue { addInheritedGaps() }
        guard turn.now.monotonic >= turn.backfill.nextDue else { return }
        requests.removeAll(keepingCapacity: true)
        turn.backfill.next(now: turn.now, ids: &turn.ids, into: &requests, into: &turn.live.records)
        for request in requests {
            let priority: PacingMachine.Priority = request.cancelled == nil ? .backfill : .urgent
            let isAsked = turn.pacing.ask(request, priority, now: turn.now.monotonic)
            if !isAsked, let id = request.number {
                turn.backfill.notSent(id, now: turn.now.monotonic)
            }
        }
    }

    /// Hands gaps of an earlier process over to be filled, once their contracts are known.
    private mutating func addInheritedGaps() {
        inheritedGapsDue = turn.later(by: EngineLimits.scanInterval)
        guard !inheritedGaps.isEmpty else { return }
        var index = 0
        while index < inheritedGaps.count {
            let gap = inheritedGaps[index]
            guard let place = feeds.place(of: gap.instrument) else {
                giveUp(inheritedGaps.remove(at: index), "not followed any more")
                continue
            }
            let entry = feeds.entries[place]
            guard entry.details.isSettled else {
                index += 1
                continue
            }
            inheritedGaps.remove(at: index)
            guard turn.canBackfill else {
                giveUp(gap, "history is not asked for")
                continue
            }
            guard gap.kind != .news else {
                feeds.fillNews(gap, place, in: &turn)
                continue
            }
            turn.fill(gap, of: entry)
        }
    }

    /// Sends a request without pacing: the client's introduction, heartbeats and other questions
    /// for the server's time. A heartbeat that waited in pacing would make a healthy connection
    /// look dead. They are seconds apart, and pacing leaves room for them
    /// (`PacingLimits.messages`).
    mutating func sendNow(_ request: IBRequest) {
        if request == .currentTime { turn.clock.ask(turn.now) }
        do throws(RequestError) {
            turn.out.bytes += try request.encoded(version: turn.platform.version)
        } catch {
            turn.report(.unsendable("\(error)"))
        }
    }

    /// Sends a request that pacing lets leave. Returns false when it cannot be encoded: then the
    /// feed or the backfill gets a refusal with the reason, as if the server had refused it.
    private mutating func send(_ request: IBRequest) -> Bool {
        if request == .currentTime { turn.clock.ask(turn.now) }
        do throws(RequestError) {
            turn.out.bytes += try request.encoded(version: turn.platform.version)
            return true
        } catch {
            turn.report(.unsendable("\(error)"))
            guard let id = request.number else { return false }
            turn.pacing.answered(id: id, now: turn.now.monotonic)
            let refusal = IBNotice(
                request: id, code: NoticeCode.invalidRequest.rawValue,
                text: "it cannot be sent: \(error)")
            if !turn.backfill.refused(refusal, now: turn.now, into: &turn.live.records) {
                _ = feeds.take(refusal, in: &turn)
            }
            return false
        }
    }
}

extension Wire {
    /// Decodes one message; `nil`: there was no greeting yet.
    @inline(__always)
    mutating func decode(_ range: Range<Int>) -> Decoded? {
        guard var current = decoder else { return nil }
        // With one copy of the decoder at a time, its array of counters is never copied.
        decoder = nil
        defer { decoder = current }
        return Self.decode(frames, range, &current)
    }
}
