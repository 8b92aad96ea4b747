internal import IBProtocol
internal import Primitives
internal import MarketModel

// What the server says.
extension IBHistoryClient {
    mutating func take(
        _ decoded: Decoded, _ range: Range<Int>, _ now: Moment, into out: inout Output
    ) {
        switch decoded {
        case .message(let message): take(message, now, into: &out)
        case .unknown: break
        case .skipped:
            let decoder = wire.decoder
            let request = wire.frames.withFrame(range) { decoder?.request(of: $0) }
            guard let request, let place = place(of: request) else { return }
            answer(place, .failed("an answer that cannot be read"), now, into: &out)
        }
    }

    private func place(of request: Int32) -> Int? { asked.firstIndex { $0.request == request } }

    private mutating func take(_ message: IBMessage, _ now: Moment, into out: inout Output) {
        switch message {
        case .history(.trades(let answer)):
            guard let place = place(of: answer.request) else { return }
            take(answer, place, now, into: &out)
        case .history(.bars(let answer)):
            guard let place = place(of: answer.request) else { return }
            historyAnswered(now)
            self.answer(place, .bars(answer.bars), now, into: &out)
        case .contract(.details(let details)): take(details)
        case .contract(.end(let request)):
            guard let place = place(of: request) else { return }
            answer(place, .contracts(asked[place].contracts), now, into: &out)
        case .session(.nextValidID(let id)):
            ids.begin(at: id)
            introduced(id: true, accounts: false, now)
        case .session(.managedAccounts): introduced(id: false, accounts: true, now)
        case .notice(let notice): take(notice, now, into: &out)
        case .history, .session, .tick, .feed: break
        }
    }

    private mutating func introduced(id: Bool, accounts: Bool, _ now: Moment) {
        _ = session.received(id: id, accounts: accounts, now.monotonic)
    }

    private mutating func take(_ details: ContractDetails) {
        // Two are as many as are needed to know that it is not one.
        guard let place = place(of: details.request), asked[place].contracts.count < 2 else {
            return
        }
        asked[place].contracts.append(details)
    }

    private mutating func take(
        _ answer: HistoricalTicks<TradeTick>, _ place: Int, _ now: Moment, into out: inout Output
    ) {
        guard case .trades(_, _, let seconds) = asked[place].question else { return }
        asked[place].page.add(answer.ticks, in: seconds)
        let page = asked[place].page
        guard page.count <= limits.pageTicksMax else {
            _ = pacing.ask(.cancelHistory(id: answer.request), .urgent, now: now.monotonic)
            return self.answer(place, .failed("an answer without an end"), now, into: &out)
        }
        asked[place].due = now.monotonic.advanced(by: settings.answerWait)
        guard answer.isLast else { return }
        historyAnswered(now)
        self.answer(place, .trades(HistoryTrades(page, of: seconds)), now, into: &out)
    }

    /// An answer of history shows that all of history works.
    private mutating func historyAnswered(_ now: Moment) {
        historyFarms.clear()
        holdHistory(now)
    }

    // MARK: notices

    private mutating func take(_ notice: IBNotice, _ now: Moment, into out: inout Output) {
        let meaning = notice.meaning
        let isAboutAll =
            meaning.scope == .connection
            || meaning.scope == .byRequest && notice.isAboutConnection
        if isAboutAll { return takeGeneral(notice, meaning, now, into: &out) }
        guard let place = place(of: notice.request), !notice.isWarning else { return }
        refused(place, notice, meaning, now, into: &out)
    }

    private mutating func takeGeneral(
        _ notice: IBNotice, _ meaning: NoticeMeaning, _ now: Moment, into out: inout Output
    ) {
        switch meaning {
        case .clientIDInUse:
            close(
                "client id \(settings.engine.clientID) is in use by another program", now,
                into: &out)
        case .connectionLost, .platformDisconnected:
            vendorLostSince = vendorLostSince ?? now.monotonic
            // They are asked again, and wait then: so the reason is known.
            failAll(notice.reason, into: &out)
        case .connectionRestored(let isLost):
            vendorLostSince = nil
            for (kind, name) in notice.farmsNotConnected where kind == .history {
                historyFarms.broke(name, OutageCause(.farm, notice.reason), now)
            }
            // The open requests are lost, too.
            if isLost { failAll(notice.reason, into: &out) }
        case .portChanged: close("the server listens elsewhere: \(notice.reason)", now, into: &out)
        case .farm(.history, let state): historyFarm(notice, state, now, into: &out)
        case .pacingViolation:
            pacing.violated(
                notice.code == NoticeCode.tooManyMessages.rawValue ? .messages : .history,
                now: now.monotonic)
        case .farm(.marketData, _), .farm(.definitions, _), .noSuchContract, .invalidRequest,
            .duplicateRequest, .nothingToCancel, .notSubscribed, .partlyNotSubscribed,
            .subscriptionMissing, .delayedDataFollow, .tooManyLines, .competingSession,
            .depthReset, .depthHalted, .depthUnsupported, .historyCancelled, .historyEmpty,
            .historyNotPermitted, .historyRefused, .tickByTickRefused, .realTimeBarsRefused,
            .realTimeBarsEnded, .noFundamentals, .unknown:
            break
        }
        holdHistory(now)
    }

    private mutating func historyFarm(
        _ notice: IBNotice, _ state: FarmState, _ now: Moment, into out: inout Output
    ) {
        let name = FarmWatch.name(in: notice.text)
        switch state {
        case .broken:
            historyFarms.broke(name, OutageCause(.farm, notice.reason), now)
            failAll(notice.reason, into: &out)
        case .ok, .inactive: historyFarms.back(name)
        case .connecting: break
        }
    }

    /// The server answers a question with a notice.
    private mutating func refused(
        _ place: Int, _ notice: IBNotice, _ meaning: NoticeMeaning, _ now: Moment,
        into out: inout Output
    ) {
        let why = "\(notice.text.cut(toUTF8: 160)) (\(notice.code))"
        let isDown = vendorLostSince != nil || historyFarms.isAnyDown
        switch meaning {
        case .partlyNotSubscribed, .subscriptionMissing, .delayedDataFollow, .nothingToCancel:
            return
        case .pacingViolation:
            pacing.violated(now: now.monotonic)
            answer(place, .failed(why), now, into: &out)
        case .historyEmpty where !isDown: answer(place, .nothing, now, into: &out)
        case .historyNotPermitted, .notSubscribed:
            answer(place, .refused("the account may not see it: \(why)"), now, into: &out)
        case .invalidRequest, .noSuchContract:
            guard !isDown else { fallthrough }
            answer(place, .refused(why), now, into: &out)
        case .historyEmpty, .duplicateRequest, .tooManyLines, .competingSession, .depthReset,
            .depthHalted, .depthUnsupported, .historyCancelled, .historyRefused,
            .tickByTickRefused, .realTimeBarsRefused, .realTimeBarsEnded, .noFundamentals,
            .unknown, .clientIDInUse, .connectionLost, .connectionRestored,
            .platformDisconnected, .portChanged, .farm:
            let isOfQuestion = !isDown && meaning == .historyRefused
            answer(place, .failed(why, isOfQuestion: isOfQuestion), now, into: &out)
        }
    }
}
