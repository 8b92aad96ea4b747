internal import IBProtocol
internal import MarketModel
internal import Primitives

// What the provider says about one request. Whatever it is, other requests go on.
extension FeedMachine {
    /// False: nobody here waits for it.
    mutating func take(
        _ notice: IBNotice, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) -> Bool {
        if let place = detailsRoutes[notice.request] {
            refusedDetails(place, notice, now, tools, &out)
            return true
        }
        guard let route = routes[notice.request] else { return false }
        let reason = "\(notice.text) (\(notice.code))"
        switch notice.meaning {
        case .depthReset, .depthHalted: bookEmptied(route, notice, now, &tools, &out)
        case .nothingToCancel, .historyCancelled: break
        case .partlyNotSubscribed: remark(route, reason, needsTick: false, now, &out)
        case .subscriptionMissing: remark(route, reason, needsTick: true, now, &out)
        case .delayedDataFollow:
            if !tools.settings.isDelayed { refuseDelayed(route, now, &tools, &out) }
        case .tooManyLines(let limit):
            tools.pacing.refusedLine(id: notice.request, limit, now: now.monotonic)
            stopped(route, OutageCause(.refusal, reason), now, &tools, &out)
            // It goes back into the queue for lines soon: there, their number is watched.
            fail(
                route, .waitingForLines, reason, wait: EngineLimits.downWait, now, &tools, &out)
        case .competingSession: competing(route, reason, now, &tools, &out)
        case .realTimeBarsEnded, .duplicateRequest:
            stopped(route, OutageCause(.restart, reason), now, &tools, &out)
            restart(route, reason, cancels: false, now, &tools, &out)
        case .pacingViolation:
            tools.pacing.violated(now: now.monotonic)
            stopped(route, OutageCause(.refusal, reason), now, &tools, &out)
            fail(route, .down, reason, now, &tools, &out)
        case .historyEmpty where entries[route.place].slots[route.slot].feed.isDocument:
            fail(
                route, .down, reason, wait: EngineLimits.refusedWait, now, &tools, &out)
        case .invalidRequest where entries[route.place].canAskForLess(route.slot):
            entries[route.place].askForLess(route.slot)
            restart(route, reason, cancels: false, now, &tools, &out)
            entries[route.place].slots[route.slot].remark = "without some values: \(reason)"
        case .noSuchContract: noContract(route, reason, now, &tools, &out)
        case .unknown: unknown(route, notice, reason, now, &tools, &out)
        case let meaning where meaning.outlook == .permanent:
            stopped(route, OutageCause(.refusal, reason), now, &tools, &out)
            fail(
                route, .refused, reason, wait: EngineLimits.refusedWait, now, &tools, &out)
        default:
            stopped(route, OutageCause(.refusal, reason), now, &tools, &out)
            fail(route, .down, reason, now, &tools, &out)
        }
        return true
    }

    /// Something of what was asked does not come, or all of it: its text stays with the feed, and
    /// in the second case only a tick proves that it delivers.
    private mutating func remark(
        _ route: FeedRoute, _ reason: String, needsTick: Bool, _ now: Moment,
        _ out: inout IBEngine.Output
    ) {
        entries[route.place].slots[route.slot].remark = reason
        entries[route.place].slots[route.slot].needsTick = needsTick
        let state = entries[route.place].slots[route.slot].state
        if state == .asked || state == .live { set(route, state, reason, now, &out) }
    }

    private mutating func refusedDetails(
        _ place: Int, _ notice: IBNotice, _ now: Moment, _ tools: EngineTools,
        _ out: inout IBEngine.Output
    ) {
        guard !Self.isWarning(notice.code) else { return }
        detailsRoutes[notice.request] = nil
        let reason = "\(notice.text) (\(notice.code))"
        let isKnown = entries[place].details == .settled
        if !isKnown, notice.meaning == .noSuchContract, !tools.isBelievedOfContracts {
            return delayDetails(place, reason, now, &out)
        }
        guard !isKnown, notice.meaning.outlook == .permanent else {
            // Not its contract's fault: the data are asked for without its details.
            entries[place].details = .settled
            entries[place].detailsDue = now.monotonic.later(by: EngineLimits.downWaitMax)
            return
        }
        refuseInstrument(place, reason, now, &out)
    }

    /// Nobody there can know of its contract at the moment, so nothing is asked of it either.
    private mutating func delayDetails(
        _ place: Int, _ reason: String, _ now: Moment, _ out: inout IBEngine.Output
    ) {
        entries[place].details = .unknown
        entries[place].detailsDue = now.monotonic.later(by: EngineLimits.detailsWait)
        for slot in entries[place].slots.indices {
            set(FeedRoute(place: place, slot: slot), .waiting, reason, now, &out)
        }
    }

    /// Servers that are being looked after say so of contracts that there are.
    private mutating func noContract(
        _ route: FeedRoute, _ reason: String, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        stopped(route, OutageCause(.refusal, reason), now, &tools, &out)
        let isDoubted =
            !tools.isBelievedOfContracts
            || entries[route.place].isContractKnown
                && entries[route.place].slots[route.slot].failures
                    < EngineLimits.doubtedRefusalsMax
        entries[route.place].slots[route.slot].hasNoContract = true
        fail(
            route, isDoubted ? .down : .refused, reason,
            wait: isDoubted ? nil : EngineLimits.refusedWait, now, &tools, &out)
    }

    /// Those who know of contracts are there again: what had none is asked for once more.
    mutating func doubtRefusals(_ now: Moment) {
        for place in entries.indices where entries[place].isActive {
            switch entries[place].details {
            case .refused, .unknown:
                entries[place].detailsDue = min(entries[place].detailsDue, now.monotonic)
            case .asked, .settled: break
            }
            for slot in entries[place].slots.indices
            where entries[place].slots[slot].hasNoContract {
                entries[place].slots[slot].failures = 0
                entries[place].slots[slot].due = min(
                    entries[place].slots[slot].due, now.monotonic)
            }
        }
        nextScan = min(nextScan, now.monotonic)
    }

    /// A live subscription that the provider has ended, or left without data.
    mutating func stopped(
        _ route: FeedRoute, _ cause: OutageCause, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        interrupt(route, cause, trusted: now.wall, now, &tools, &out)
    }

    private mutating func competing(
        _ route: FeedRoute, _ reason: String, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        let slot = entries[route.place].slots[route.slot]
        let cause = OutageCause(.competing, reason)
        if slot.state == .interrupted {
            // Whatever else comes back, this feed does not come back with it.
            set(cause, route)
            entries[route.place].slots[route.slot].interrupted = now.monotonic
            entries[route.place].slots[route.slot].due =
                now.monotonic.later(by: EngineLimits.competingWait)
            return set(route, .interrupted, reason, now, &out)
        }
        guard slot.state == .live else {
            guard slot.state == .asked else { return }
            // A document that has to wait is no outage, and its request has ended.
            if !slot.feed.isDocument { set(cause, route) }
            return fail(
                route, .down, reason, wait: EngineLimits.competingWait,
                cancels: !slot.feed.isDocument, now, &tools, &out)
        }
        interrupt(
            route, cause, trusted: now.wall, wait: EngineLimits.competingWait, now,
            &tools, &out)
    }

    /// A moment of delayed data is no refusal: the provider may go back to live ones by itself.
    private mutating func awaitLive(
        _ route: FeedRoute, _ mode: FeedMode, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        guard !entries[route.place].slots[route.slot].awaitsLive(tools) else { return }
        let reason = "delayed data come, and this source wants live ones: waiting for them"
        let cause = OutageCause(.refusal, reason)
        interrupt(route, cause, trusted: now.wall, now, &tools, &out)
        // Whatever else comes back, this feed does not come back with it.
        if entries[route.place].slots[route.slot].cause != nil { set(cause, route) }
        entries[route.place].slots[route.slot].mode = mode
        entries[route.place].slots[route.slot].due = now.monotonic.later(by: EngineLimits.liveWait)
        set(route, entries[route.place].slots[route.slot].state, reason, now, &out)
    }

    mutating func refuseDelayed(
        _ route: FeedRoute, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        let reason = "not subscribed; delayed data: a source with IBKR_DELAYED=true"
        stopped(route, OutageCause(.refusal, reason), now, &tools, &out)
        fail(
            route, .refused, reason, wait: EngineLimits.refusedWait, cancels: true, now, &tools,
            &out)
    }

    mutating func took(
        _ mode: FeedMode, _ route: FeedRoute, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        let isDelayed = mode == .delayed || mode == .delayedFrozen
        if isDelayed, !tools.settings.isDelayed {
            return awaitLive(route, mode, now, &tools, &out)
        }
        let slot = entries[route.place].slots[route.slot]
        _ = entries[route.place].slots[route.slot].assembler?.take(
            .marketDataType(request: slot.request, mode), at: now.wall)
        guard slot.mode != mode else { return }
        if slot.awaitsLive(tools) {
            entries[route.place].slots[route.slot].mode = mode
            entries[route.place].slots[route.slot].due = Int64.max
            if slot.state == .interrupted { resume(route, now, &tools, &out) }
            return
        }
        if slot.isStarted {
            tellSubscription(route, .stop, "the provider changes the mode", now, tools, &out)
        }
        entries[route.place].slots[route.slot].mode = mode
        if isDelayed { mayBeDelayed = true }
        if slot.isStarted {
            tellSubscription(route, .start, "the provider changes the mode", now, tools, &out)
        }
    }

    private mutating func bookEmptied(
        _ route: FeedRoute, _ notice: IBNotice, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        let reset = notice.depthReset(
            symbol: entries[route.place].number, receivedAt: now.wall)
        if let reset { out.records.append(.depthReset(reset)) }
        guard notice.meaning == .depthHalted else { return }
        stopped(route, OutageCause(.restart, "the book was halted"), now, &tools, &out)
        restart(route, "the book was halted", now, &tools, &out)
    }

    private mutating func unknown(
        _ route: FeedRoute, _ notice: IBNotice, _ reason: String, _ now: Moment,
        _ tools: inout EngineTools, _ out: inout IBEngine.Output
    ) {
        // Of what delivers, a notice that nobody knows is news only; the silence behind it would
        // be noticed.
        let state = entries[route.place].slots[route.slot].state
        guard state == .asked, !Self.isWarning(notice.code) else { return }
        fail(route, .down, reason, cancels: true, now, &tools, &out)
    }

    private static func isWarning(_ code: Int32) -> Bool { (2_100..<2_200).contains(code) }

    /// The answer to a request came and cannot be read.
    mutating func unreadable(
        _ request: Int32, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        guard let route = routes[request],
            entries[route.place].slots[route.slot].feed.isDocument
        else { return }
        fail(
            route, .down, "an answer that cannot be read", wait: EngineLimits.refusedWait, now,
            &tools, &out)
    }
}
