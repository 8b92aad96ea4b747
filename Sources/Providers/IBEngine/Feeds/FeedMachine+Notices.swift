internal import IBProtocol
internal import MarketModel
internal import Primitives

// Notices about one request. Other requests are not affected.
extension FeedMachine {
    /// Handles a notice. Returns false when it is about no request of a feed.
    mutating func take(_ notice: IBNotice, in turn: inout Turn) -> Bool {
        if let place = detailsRequests[notice.request] {
            refusedDetails(place, notice, in: &turn)
            return true
        }
        guard let route = routes[notice.request] else { return tookLook(notice, in: &turn) }
        let reason = notice.reason
        if takeDelayed(notice, route, reason, in: &turn) { return true }
        switch notice.meaning {
        case .depthReset, .depthHalted: bookEmptied(route, notice, in: &turn)
        case .nothingToCancel, .historyCancelled: break
        case .partlyNotSubscribed: remark(route, reason, needsTick: false, in: &turn)
        case .subscriptionMissing: remark(route, reason, needsTick: true, in: &turn)
        case .delayedDataFollow:
            if turn.settings.delayed == .never { refuseDelayed(route, in: &turn) }
        case .tooManyLines(let limit):
            turn.pacing.refusedLine(id: notice.request, limit, now: turn.now.monotonic)
            // The feed soon goes back into the queue for lines: pacing tries now and then whether
            // the server accepts one more.
            refuse(route, .waitingForLines, reason, wait: EngineLimits.downWait, in: &turn)
        case .competingSession: competing(route, reason, in: &turn)
        case .realTimeBarsEnded, .duplicateRequest:
            renew(route, reason, cancels: false, in: &turn)
        case .pacingViolation:
            turn.pacing.violated(now: turn.now.monotonic)
            refuse(route, .down, reason, in: &turn)
        case .historyEmpty where self[route].feed.isDocument:
            fail(route, .down, reason, wait: EngineLimits.refusedWait, in: &turn)
        case .invalidRequest where entries[route.place].canAskForLess(route.slot):
            entries[route.place].askForLess(route.slot)
            restart(route, reason, cancels: false, in: &turn)
            self[route].remark = "without some values: \(reason)"
        case .noSuchContract: noContract(route, reason, in: &turn)
        case .unknown: unknown(route, notice, reason, in: &turn)
        case .invalidRequest, .historyEmpty, .notSubscribed, .depthUnsupported,
            .historyNotPermitted, .historyRefused, .tickByTickRefused, .realTimeBarsRefused,
            .noFundamentals, .clientIDInUse, .connectionLost, .connectionRestored,
            .platformDisconnected, .portChanged, .farm:
            let isPermanent = notice.meaning.outlook == .permanent
            refuse(
                route, isPermanent ? .refused : .down, reason,
                wait: isPermanent ? EngineLimits.refusedWait : nil, in: &turn)
        }
        return true
    }

    /// Notes that a part of the data does not come, or perhaps none. `needsTick`: perhaps none, so
    /// only a tick proves that the feed delivers. The reason is stored for people.
    private mutating func remark(
        _ route: FeedRoute, _ reason: String, needsTick: Bool, in turn: inout Turn
    ) {
        self[route].remark = reason
        switch self[route].phase {
        case .asked, .live: handle(.remarked(needsTick: needsTick), route, reason, in: &turn)
        case .idle, .interrupted, .done: break
        }
    }

    /// Handles a notice about a request for contract details.
    private mutating func refusedDetails(_ place: Int, _ notice: IBNotice, in turn: inout Turn) {
        guard !notice.isWarning else { return }
        detailsRequests[notice.request] = nil
        let reason = notice.reason
        let isKnown = entries[place].details.isSettled
        if !isKnown, notice.meaning == .noSuchContract, !turn.platform.isBelievedOfContracts {
            return delayDetails(place, reason, in: &turn)
        }
        guard !isKnown, notice.meaning.outlook == .permanent else {
            // The contract is not at fault, so its data are requested without its details.
            return entries[place].details.settle(until: turn.later(by: EngineLimits.downWaitMax))
        }
        refuseInstrument(place, reason, in: &turn)
    }

    /// Requests the details later, because the platform cannot know the contract now. The data are
    /// not requested before.
    private mutating func delayDetails(_ place: Int, _ reason: String, in turn: inout Turn) {
        entries[place].details.phase = .unknown
        entries[place].details.due = turn.later(by: EngineLimits.detailsWait)
        for slot in entries[place].slots.indices {
            let route = FeedRoute(place: place, slot: slot)
            handle(.ended(.waiting, until: self[route].phase.until), route, reason, in: &turn)
        }
    }

    /// Handles a report that there is no such contract. Servers in maintenance report that of
    /// contracts that exist.
    private mutating func noContract(_ route: FeedRoute, _ reason: String, in turn: inout Turn) {
        let isDoubted =
            !turn.platform.isBelievedOfContracts
            || entries[route.place].details.isContractKnown
                && self[route].attempts.failures < EngineLimits.doubtedRefusalsMax
        refuse(
            route, isDoubted ? .down : .refused, reason,
            wait: isDoubted ? nil : EngineLimits.refusedWait, in: &turn)
        apply(.unlisted, route, turn.now)
    }

    /// Requests again what was refused because there was no such contract: the platform knows
    /// contracts again.
    mutating func doubtRefusals(_ now: Moment) {
        for place in entries.indices where entries[place].isActive {
            switch entries[place].details.phase {
            case .refused, .unknown:
                entries[place].details.due = min(entries[place].details.due, now.monotonic)
            case .asked, .settled: break
            }
            for slot in entries[place].slots.indices {
                let route = FeedRoute(place: place, slot: slot)
                let phase = self[route].phase
                guard phase.hasNoContract else { continue }
                self[route].attempts.failures = 0
                apply(.postponed(until: min(phase.until, now.monotonic)), route, now)
            }
        }
        nextScan = min(nextScan, now.monotonic)
    }

    /// Handles a subscription that the provider has ended, or of which no data come: begins an
    /// outage, and ends the request. `wait`: the time until the next request, in nanoseconds;
    /// `nil`: longer with each failure. `cancels`: the server does not know yet that the request
    /// ends.
    mutating func refuse(
        _ route: FeedRoute, _ pause: FeedPhase.Pause, _ reason: String, wait: Int64? = nil,
        cancels: Bool = false, in turn: inout Turn
    ) {
        interrupt(route, OutageCause(.refusal, reason), in: &turn)
        fail(route, pause, reason, wait: wait, cancels: cancels, in: &turn)
    }

    /// Begins an outage, and requests the feed again immediately.
    private mutating func renew(
        _ route: FeedRoute, _ reason: String, cancels: Bool = true, in turn: inout Turn
    ) {
        interrupt(route, OutageCause(.restart, reason), in: &turn)
        restart(route, reason, cancels: cancels, in: &turn)
    }

    /// Handles the notice that the same user watches the market somewhere else. The feed is
    /// requested again after a minute.
    private mutating func competing(_ route: FeedRoute, _ reason: String, in turn: inout Turn) {
        let cause = OutageCause(.competing, reason)
        let wait = EngineLimits.competingWait
        switch self[route].phase {
        case .interrupted:
            // With the new cause, the return of a farm or the vendor does not resume this feed.
            let now = turn.now.monotonic
            handle(.broke(cause, since: now, until: turn.later(by: wait)), route, reason, in: &turn)
        case .live: interrupt(route, cause, wait: wait, in: &turn)
        case .asked:
            // A document that has to wait is no outage, and its request has ended.
            let isDocument = self[route].feed.isDocument
            fail(
                route, .down, reason, wait: wait, cause: isDocument ? nil : cause,
                cancels: !isDocument, in: &turn)
        case .idle, .done: break
        }
    }

    /// Begins an outage because delayed data come in a source of live ones. It is not yet a
    /// refusal: the provider may change back by itself.
    private mutating func awaitLive(_ route: FeedRoute, _ mode: FeedMode, in turn: inout Turn) {
        guard !self[route].awaitsLive(in: turn) else { return }
        let reason = "delayed data come, and this source wants live ones: waiting for them"
        let cause = OutageCause(.refusal, reason)
        interrupt(route, cause, in: &turn)
        // With the new cause, the return of a farm or the vendor does not resume this feed.
        apply(.blamed(cause), route, turn.now)
        self[route].mode = mode
        handle(.postponed(until: turn.later(by: EngineLimits.liveWait)), route, reason, in: &turn)
    }

    /// Gives up a feed of which only delayed data come, which this source does not record.
    mutating func refuseDelayed(_ route: FeedRoute, in turn: inout Turn) {
        let reason = "not subscribed; delayed data: IBKR_DELAYED=auto"
        refuse(route, .refused, reason, wait: EngineLimits.refusedWait, cancels: true, in: &turn)
    }

    /// Handles the provider's report whether a subscription's data are live or delayed.
    mutating func took(_ mode: FeedMode, _ route: FeedRoute, in turn: inout Turn) {
        let slot = self[route]
        // The assembler forgets the prices of before, even if what comes now is left out.
        _ = self[route].assembler?.take(
            .feed(.mode(request: slot.phase.request ?? 0, mode)), at: turn.now.wall)
        if mode.isDelayed, turn.settings.delayed == .never {
            return awaitLive(route, mode, in: &turn)
        }
        // The request was not left out.
        if case .asked = slot.phase { apply(.postponed(until: .never), route, turn.now) }
        guard slot.mode != mode else { return }
        if slot.isDelayed, !mode.isDelayed {
            self[route].look.delayedFrom = turn.later(by: EngineLimits.straggling)
        }
        if slot.awaitsLive(in: turn) {
            self[route].mode = mode
            apply(.postponed(until: .never), route, turn.now)
            if case .interrupted = slot.phase { resume(route, in: &turn) }
            return
        }
        if turn.settings.delayed == .automatic, slot.feed == .marketData,
            slot.outlet != mode.outlet
        {
            return change(route, to: mode, in: &turn)
        }
        if slot.phase.live != nil {
            reportSubscription(route, .stop, "the provider changes the mode", in: &turn)
        }
        self[route].mode = mode
        if slot.phase.live != nil {
            reportSubscription(route, .start, "the provider changes the mode", in: &turn)
        }
    }

    /// Records that the book is empty. A halted book is requested again.
    private mutating func bookEmptied(_ route: FeedRoute, _ notice: IBNotice, in turn: inout Turn) {
        let reset = notice.depthReset(
            symbol: entries[route.place].number, receivedAt: turn.now.wall)
        if let reset { turn.live.put(.depthReset(reset)) }
        guard notice.meaning == .depthHalted else { return }
        renew(route, "the book was halted", in: &turn)
    }

    /// Handles a notice of unknown meaning. It ends only a request that has delivered nothing.
    private mutating func unknown(
        _ route: FeedRoute, _ notice: IBNotice, _ reason: String, in turn: inout Turn
    ) {
        // A feed that delivers is not ended by an unknown notice. A silence after it would be
        // noticed.
        guard case .asked = self[route].phase, !notice.isWarning else { return }
        fail(route, .down, reason, cancels: true, in: &turn)
    }

    /// Handles an answer that cannot be read. A document fails by it; of other feeds one message is
    /// lost.
    mutating func unreadable(_ request: Int32, in turn: inout Turn) {
        guard let route = routes[request], self[route].feed.isDocument else { return }
        fail(
            route, .down, "an answer that cannot be read", wait: EngineLimits.refusedWait, in: &turn
        )
    }
}
