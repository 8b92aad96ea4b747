internal import IBProtocol
internal import MarketModel
internal import Primitives

/// The stream from the server, cut into messages.
struct Wire: Sendable {
    var frames = FrameDecoder()
    /// nil before the greeting.
    var decoder: MessageDecoder?
    var handshake: Handshake?
    var isOpen = false

    init() {
        do throws(IBWireError) {
            handshake = try Handshake()
        } catch {
            // It fails by its options only, and there are none; without one nothing is sent, and
            // the session ends the connection by itself.
            handshake = nil
        }
    }

    @inline(__always)
    var lostNumbers: UInt64 { decoder?.counters.lostNumbers ?? 0 }

    var opening: [UInt8] { handshake?.opening ?? [] }

    /// The decoder changes while the frames stand still.
    static func decode(
        _ frames: FrameDecoder, _ range: Range<Int>, _ decoder: inout MessageDecoder
    ) -> Decoded {
        frames.withFrame(range) { decoder.decode($0) }
    }
}

/// What notices have said about the connection.
struct LinkState: Sendable {
    var lastMessage = Timestamp.undefined
    /// Numbers that the scale did not hold, as far as they were told, and when that was, monotonic.
    var numbersTold: UInt64 = 0
    var numbersToldAt = Int64.min
    /// Since when the platform is without the vendor, monotonic.
    var serverLost: Int64?
    /// Farms of market data that are down.
    var farms = FarmWatch()
    /// Farms of history that are down.
    var historyFarms = FarmWatch()
    /// Farms that know of contracts, and are down.
    var definitionFarms = FarmWatch()
}

extension IBEngine {
    /// All messages that are complete.
    mutating func read(_ now: Moment, _ out: inout Output) {
        do {
            while case .frame(let range) = try wire.frames.next() {
                if wire.decoder == nil {
                    try greet(range, now, &out)
                } else {
                    message(range, now, &out)
                }
                guard session.phase != .closing else { return }
            }
        } catch {
            close("\(error)", now, &out)
        }
    }

    private mutating func greet(
        _ range: Range<Int>, _ now: Moment, _ out: inout Output
    ) throws(IBWireError) {
        guard let handshake = wire.handshake else { return }
        let greeting = try wire.frames.withFrame(range) { body throws(IBWireError) in
            try handshake.answer(body)
        }
        wire.decoder = MessageDecoder(version: greeting.version)
        tools.version = greeting.version
        tools.backfill.historySizesAreLots =
            !ServerVersion.hasHistoricalShares(greeting.version)
        session.greeted(now.monotonic)
        sendNow(.startAPI(client: settings.clientID), now, &out)
    }

    private mutating func message(
        _ range: Range<Int>, _ now: Moment, _ out: inout Output
    ) {
        guard let decoded = decode(range) else { return }
        if wire.lostNumbers != link.numbersTold { tellNumbers(decoded, now, &out) }
        switch decoded {
        case .message(let message):
            tools.counters.messages &+= 1
            take(message, now, &out)
        case .unknown: tools.counters.unknownMessages &+= 1
        case .skipped(let id, let fault):
            tools.counters.skip(fault)
            out.tell(.skipped(id: id, fault))
            unreadable(range, now, &out)
        }
    }

    /// Prices or sizes with more digits than the tape's scale has. An instrument that has one has
    /// many, so they are told together.
    private mutating func tellNumbers(
        _ decoded: Decoded, _ now: Moment, _ out: inout Output
    ) {
        let isDue = now.monotonic >= link.numbersToldAt.later(by: EngineLimits.numbersTold)
        guard link.numbersToldAt == Int64.min || isDue else { return }
        var instrument: UInt32?
        if case .message(let message) = decoded, let request = message.request {
            instrument = feeds.instrument(of: request)
        }
        out.tell(
            .numbers(instrument: instrument, count: wire.lostNumbers &- link.numbersTold))
        (link.numbersTold, link.numbersToldAt) = (wire.lostNumbers, now.monotonic)
    }

    @inline(__always)
    private mutating func decode(_ range: Range<Int>) -> Decoded? {
        guard wire.decoder != nil else { return nil }
        return wire.decode(range)
    }

    private mutating func unreadable(
        _ range: Range<Int>, _ now: Moment, _ out: inout Output
    ) {
        let decoder = wire.decoder
        let request = wire.frames.withFrame(range) { decoder?.request(of: $0) }
        guard let request else { return }
        if tools.backfill.unreadable(request, now: now, into: &out.records) {
            tools.pacing.answered(id: request, now: now.monotonic)
        } else {
            feeds.unreadable(request, now, &tools, &out)
        }
    }

    /// What comes by the thousand first.
    @inline(__always)
    private mutating func take(_ message: IBMessage, _ now: Moment, _ out: inout Output) {
        switch message {
        case .notice(let notice): take(notice, now, &out)
        case .contractDetails, .bondDetails, .contractDetailsEnd, .nextValidID, .managedAccounts,
            .currentTime, .bulletin, .historicalTrades, .historicalQuotes, .historicalMidpoints,
            .historicalBars, .newsProviders:
            takeRare(message, now, &out)
        default:
            guard let request = message.request,
                feeds.take(message, of: request, now, &tools, &out)
            else {
                tools.counters.strayMessages &+= 1
                return
            }
        }
    }

    private mutating func takeRare(_ message: IBMessage, _ now: Moment, _ out: inout Output) {
        switch message {
        case .contractDetails(let details): feeds.took(details)
        case .bondDetails(let bond): feeds.took(bond.details)
        case .contractDetailsEnd(let request): feeds.tookAllDetails(request, now, &out)
        case .nextValidID(let id):
            tools.ids.begin(at: id)
            introduced(id: true, accounts: false, now, &out)
        case .managedAccounts: introduced(id: false, accounts: true, now, &out)
        case .currentTime(let time):
            tools.timeTold = now.monotonic
            out.tell(.clockDifference(tools.clock.told(time, now)))
        case .bulletin(let bulletin): take(bulletin, now, &out)
        case .newsProviders(let providers): feeds.took(providers, now)
        default: takeHistory(message, now, &out)
        }
    }

    private mutating func takeHistory(
        _ message: IBMessage, _ now: Moment, _ out: inout Output
    ) {
        guard let request = message.request else { return }
        if tools.backfill.took(message, now: now, into: &out.records) {
            historyCame(now)
            if !tools.backfill.isOpen(request) {
                tools.pacing.answered(id: request, now: now.monotonic)
            }
        } else {
            tools.pacing.answered(id: request, now: now.monotonic)
            if !feeds.take(message, of: request, now, &tools, &out) {
                tools.counters.strayMessages &+= 1
            }
        }
    }

    /// A new connection tells those of the day again.
    mutating func take(
        _ bulletin: BulletinMessage, _ now: Moment, _ out: inout Output
    ) {
        let seen = SeenBulletin(id: bulletin.id, text: bulletin.text.asReason)
        guard !bulletins.contains(seen) else { return }
        if bulletins.count >= EngineLimits.bulletinsMax { bulletins.removeFirst() }
        bulletins.append(seen)
        out.records.append(.bulletin(bulletin.record(receivedAt: now.wall)))
    }

    private mutating func introduced(
        id: Bool, accounts: Bool, _ now: Moment, _ out: inout Output
    ) {
        guard session.heard(id: id, accounts: accounts, now.monotonic) else { return }
        tools.isReady = true
        tools.isHealthy = link.serverLost == nil
        tools.knowsContracts = !link.definitionFarms.isAnyDown
        tools.isFarmDown = link.farms.isAnyDown
        holdHistory(now)
        tools.counters.connections &+= 1
        askMode(now)
        _ = tools.pacing.ask(.currentTime, .urgent, now: now.monotonic)
        askBulletins(now)
        feeds.nextScan = now.monotonic
        feeds.scan(now, &tools, &out)
    }

    /// Before any data are asked for, and again when what waits was forgotten.
    mutating func askMode(_ now: Moment) {
        guard settings.isDelayed else { return }
        _ = tools.pacing.ask(.marketDataType(3), .urgent, now: now.monotonic)
    }

    /// What has been decided leaves, as far as it may; and what all sees as one is told.
    mutating func work(_ now: Moment, _ out: inout Output) {
        if tools.isReady {
            fillIn(now, &out)
            requests.removeAll(keepingCapacity: true)
            tools.pacing.take(now: now.monotonic, into: &requests)
            for request in requests {
                guard send(request, now, &out) else { continue }
                feeds.sent(request, now, isDelayed: settings.isDelayed)
                if let id = request.number { tools.backfill.sent(id, now: now.monotonic) }
            }
        }
        tellState(now, &out)
    }

    private mutating func fillIn(_ now: Moment, _ out: inout Output) {
        if now.monotonic >= inheritedDue { handInherited(now, &out) }
        guard now.monotonic >= tools.backfill.nextDue else { return }
        requests.removeAll(keepingCapacity: true)
        tools.backfill.next(
            now: now, ids: &tools.ids, into: &requests, into: &out.records)
        for request in requests {
            let priority: PacingMachine.Priority =
                request.cancelled == nil ? .backfill : .urgent
            let isAsked = tools.pacing.ask(request, priority, now: now.monotonic)
            if !isAsked, let id = request.number {
                tools.backfill.notSent(id, now: now.monotonic)
            }
        }
    }

    /// Gaps of an earlier process are asked for once their contracts are known.
    private mutating func handInherited(_ now: Moment, _ out: inout Output) {
        inheritedDue = now.monotonic.later(by: EngineLimits.scanInterval)
        guard !inherited.isEmpty else { return }
        var index = 0
        while index < inherited.count {
            let gap = inherited[index]
            guard let place = feeds.place(of: gap.instrument) else {
                giveUp(inherited.remove(at: index), "not followed any more", now, &out)
                continue
            }
            let entry = feeds.entries[place]
            guard entry.details == .settled else {
                index += 1
                continue
            }
            inherited.remove(at: index)
            guard tools.canBackfill else {
                giveUp(gap, "history is not asked for", now, &out)
                continue
            }
            guard gap.kind != .news else {
                feeds.fillNews(gap, place, now, &out)
                continue
            }
            tools.backfill.add(
                gap, contract: entry.contract, feeds: entry.instrument.feeds, arrivals: .unknown,
                hours: entry.allHours, now: now, into: &out.records)
        }
    }

    /// Past pacing: a heartbeat that had to wait there would make a healthy connection look dead.
    /// It is one in a minute, and the limit of messages has room for it.
    mutating func sendNow(_ request: IBRequest, _ now: Moment, _ out: inout Output) {
        if request == .currentTime { tools.clock.ask(now) }
        do throws(RequestError) {
            out.bytes += try request.encoded(version: tools.version)
        } catch {
            out.tell(.unsendable("\(error)"))
        }
    }

    /// A request that cannot be encoded is treated as one that the server refused: its caller gets
    /// the reason.
    private mutating func send(
        _ request: IBRequest, _ now: Moment, _ out: inout Output
    ) -> Bool {
        if request == .currentTime { tools.clock.ask(now) }
        do throws(RequestError) {
            out.bytes += try request.encoded(version: tools.version)
            return true
        } catch {
            out.tell(.unsendable("\(error)"))
            guard let id = request.number else { return false }
            tools.pacing.answered(id: id, now: now.monotonic)
            let refusal = IBNotice(request: id, code: 321, text: "it cannot be sent: \(error)")
            if !tools.backfill.refused(refusal, now: now, into: &out.records) {
                _ = feeds.take(refusal, now, &tools, &out)
            }
            return false
        }
    }
}

extension Wire {
    /// nil before the greeting.
    @inline(__always)
    mutating func decode(_ range: Range<Int>) -> Decoded? {
        guard var current = decoder else { return nil }
        decoder = nil
        defer { decoder = current }
        return Self.decode(frames, range, &current)
    }
}
