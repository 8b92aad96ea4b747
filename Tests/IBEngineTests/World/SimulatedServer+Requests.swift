import Primitives

// The client's requests, and the answers.
extension SimulatedServer {
    mutating func received(_ bytes: [UInt8], _ now: Int64) {
        guard isOpen else { return }
        reader.append(bytes)
        while let fields = reader.next() {
            if !isGreeted {
                isGreeted = true
                send(words.greeting, now)
                continue
            }
            request(fields, now)
        }
    }

    private mutating func request(_ fields: [String], _ now: Int64) {
        requestsSeen.append(fields[0])
        switch fields[0] {
        case "71": introduce(now)
        case "49": send(ServerMessages.frame(["49", "1", "\((now + ahead) / second)"]), now)
        case "59": wantsDelayed = fields[2] == "3"
        case "9":
            let id = Self.id(fields[2])
            guard !isWithoutContracts else { return refuseContract(id, now) }
            send(words.details(id, fields[4], contract: contract(of: fields[4])), now)
            send(words.detailsEnd(id), now)
        case "12":
            wantsBulletins = true
            guard !isVendorLost, bulletins > 0 else { return }
            for number in 1...bulletins { send(words.bulletin(number), now) }
        case "1", "97", "10", "50": subscribe(fields, now)
        case "2", "98", "51": end(Self.id(fields[fields[0] == "98" ? 1 : 2]))
        case "11": endDepth(Self.id(fields[2]), isSmart: fields[3] == "1")
        case "96": ticks(fields, now)
        case "20": bars(fields, now)
        case "52": send(words.fundamentals(Self.id(fields[2])), now)
        case "85", "86", "87": tellDocument(fields, now)
        case "13", "25", "53", "90": break
        default: complaints.append("what is \(fields[0])?")
        }
    }

    private static func id(_ text: String) -> Int32 { Int32(text) ?? 0 }

    /// Returns the contract's number of an instrument.
    private func contract(of symbol: String) -> Int {
        Self.firstContract + (symbols.firstIndex(of: symbol) ?? 0)
    }

    static let firstContract = 7_000

    private mutating func refuseContract(_ id: Int32, _ now: Int64) {
        send(words.notice(id, 200, "No security definition has been found"), now)
    }

    /// Returns true when a request for history was refused.
    private mutating func refuseHistory(_ id: Int32, _ now: Int64) -> Bool {
        guard !historyRefusals.isEmpty else { return false }
        let (code, text) = historyRefusals.removeFirst()
        send(words.notice(id, code, text), now)
        return true
    }

    private mutating func introduce(_ now: Int64) {
        guard refusedConnections == 0 else {
            refusedConnections -= 1
            send(words.notice(-1, 326, "Unable to connect as the client id is in use"), now)
            closesAt = now + second / 2
            return
        }
        isIntroduced = true
        let first = Bool.random(using: &random)
        let id = ServerMessages.frame(["9", "1", "1"])
        let accounts = ServerMessages.frame(["15", "1", "DU1"])
        send(first ? id : accounts, now)
        send(first ? accounts : id, now)
        let farm =
            isFarmDown
            ? (2103, "Market data farm connection is broken:usfarm")
            : (2104, "Market data farm connection is OK:usfarm")
        send(words.notice(-1, farm.0, farm.1), now)
        if isVendorLost { send(words.notice(-1, 1100, "Connectivity has been lost"), now) }
    }

    // MARK: subscriptions

    private mutating func subscribe(_ fields: [String], _ now: Int64) {
        let id = Self.id(fields[fields[0] == "97" ? 1 : 2])
        // The contract follows the number.
        let contract = fields[0] == "97" ? 2 : 3
        let symbol = fields[contract + 1]
        if fields[0] == "1" { genericTicksSeen.append(fields[16]) }
        guard !isWithoutContracts else { return refuseContract(id, now) }
        guard leavesOut == 0 else {
            leavesOut -= 1
            return send(words.notice(-1, 100, "Max rate of messages exceeded"), now)
        }
        if !refusals.isEmpty {
            let (code, text) = refusals.removeFirst()
            return send(words.notice(id, code, text), now)
        }
        // A request that was rerouted names the other contract only.
        let sentOn = (Int(fields[contract]) ?? 0) - 9_000
        guard
            let instrument = symbols.firstIndex(of: symbol)
                ?? (rerouted.contains(sentOn) ? sentOn : nil)
        else { return send(words.notice(id, 200, "No security definition"), now) }
        if subscriptions[id] != nil { complaints.append("request \(id) twice") }
        let underlying = 9_000 + instrument
        if rerouted.contains(instrument), fields[contract] != "\(underlying)" {
            return send(words.reroute(id, isDepth: fields[0] == "10", to: underlying), now)
        }
        let kind = Self.kind(fields)
        // A request that was rerouted has the exchange of the other contract.
        if kind == .depth, fields[contract + 7] == "SMART", !rerouted.contains(sentOn) {
            return send(words.notice(id, 10_092, "Deep market data is not supported"), now)
        }
        let isElsewhere = kind != .depth && fields[contract + 7] == "ISLAND"
        if isElsewhere { complaints.append("\(symbol) is asked for at the exchange of its depth") }
        if hasTwin(kind, instrument) { complaints.append("\(symbol) is subscribed to twice") }
        var subscription = Subscription(kind: kind, instrument: instrument, made: now)
        if kind == .level1 {
            guard isLevel1Open(id, fields, &subscription, now) else { return }
        } else if withoutLive.contains(instrument) {
            return send(words.notice(id, 10_189, "No market data permissions"), now)
        }
        subscription.needsBook = kind == .depth || kind == .smartDepth
        subscriptions[id] = subscription
        guard kind != .level1 else { return begin(id, instrument, now) }
        if subscription.needsBook, hasData { sendBook(id, now) }
    }

    /// Returns whether a request for level 1 gets the usual answer. Otherwise it is answered.
    private mutating func isLevel1Open(
        _ id: Int32, _ fields: [String], _ subscription: inout Subscription, _ now: Int64
    ) -> Bool {
        let ticks = fields[16].split(separator: ",")
        subscription.wantsNews = ticks.contains("292")
        subscription.wantsVolume = ticks.contains("233")
        subscription.wantsReports = subscription.wantsVolume && ticks.contains("375")
        subscription.wantsData = !ticks.contains("mdoff")
        guard answers.isEmpty else {
            subscriptions[id] = subscription
            answer(id, answers.removeFirst(), now)
            return false
        }
        let isRefused = words.isDelayed || withoutLive.contains(subscription.instrument)
        guard isRefused, !wantsDelayed else {
            subscription.isDelayed = withoutLive.contains(subscription.instrument)
            return true
        }
        guard keepsRefused else {
            send(words.notice(id, 354, "Not subscribed"), now)
            return false
        }
        (subscription.wantsNews, subscription.wantsData) = (false, false)
        subscription.isDelayed = true
        subscriptions[id] = subscription
        send(words.notice(id, 10_089, "Requires additional subscription"), now)
        return false
    }

    /// Sends this about a request for level 1, which is open.
    mutating func answer(_ id: Int32, _ parts: [Answer], _ now: Int64) {
        for part in parts {
            switch part {
            case .code(let code): send(words.notice(id, code, "Notice \(code)"), now)
            case .mode(let mode): send(words.mode(id, "\(mode)"), now)
            case .live, .delayed:
                subscriptions[id]?.isDelayed = part == .delayed
                subscriptions[id]?.isDead = false
            case .mute: subscriptions[id]?.isDead = true
            case .end: end(id)
            }
        }
    }

    private func hasTwin(_ kind: Kind, _ instrument: Int) -> Bool {
        subscriptions.values.contains {
            // A request that was made before the client heard that all are lost is repeated.
            $0.kind == kind && $0.instrument == instrument && lossDue == nil && $0.made > lossHeard
                // Whether live data come again is asked beside delayed ones.
                && !$0.isDelayed
        }
    }

    private static func kind(_ fields: [String]) -> Kind {
        switch fields[0] {
        case "1": .level1
        case "10": fields[16] == "1" ? .smartDepth : .depth
        case "50": .bars
        default:
            switch fields[14] {
            case "BidAsk": .quotes
            case "MidPoint": .midpoints
            default: .trades
            }
        }
    }

    /// Begins level 1 with its mode and the present state.
    private mutating func begin(_ id: Int32, _ instrument: Int, _ now: Int64) {
        let isDelayed = subscriptions[id]?.isDelayed == true
        send(isDelayed ? words.mode(id, isDelayed: true) : words.mode(id), now)
        guard !isDelayed else { return }
        guard hasData, subscriptions[id]?.wantsData == true,
            let last = trades.last(where: { $0.instrument == instrument })
        else { return }
        let hasVolume = !words.isDelayed && subscriptions[id]?.wantsVolume == true
        guard !hasVolume else {
            let hasReports = subscriptions[id]?.wantsReports == true
            return send(hasReports ? words.volumes(id, last) : words.volume(id, last), now)
        }
        send(words.bid(id, last), now)
        send(words.last(id, last), now)
    }

    private mutating func end(_ id: Int32) { subscriptions[id] = nil }

    /// Ends a book. A cancel has to name the kind of book.
    private mutating func endDepth(_ id: Int32, isSmart: Bool) {
        guard let subscription = subscriptions[id] else { return }
        guard (subscription.kind == .smartDepth) == isSmart else {
            return complaints.append("the cancel of \(id) is about another kind of book")
        }
        end(id)
    }

    // MARK: history

    /// Sends trades or quotes from a second on: a thousand, and the rest of the last second.
    private mutating func ticks(_ fields: [String], _ now: Int64) {
        let id = Self.id(fields[1])
        guard !refuseHistory(id, now) else { return }
        guard fields.count > 18, ["TRADES", "BID_ASK"].contains(fields[18]),
            let instrument = symbols.firstIndex(of: fields[3]),
            let start = Self.seconds(fields[15])
        else { return send(words.notice(id, 10_187, "No data of this kind"), now) }
        guard !isVendorLost else {
            return send(words.notice(id, 162, "Not connected to the vendor"), now)
        }
        let behind = trades.filter { $0.instrument == instrument && $0.time / second >= start }
        var page = Array(behind.prefix(1_000))
        if let last = page.last {
            page += behind.dropFirst(page.count).prefix { $0.time / second == last.time / second }
        }
        let isOfQuotes = fields[18] == "BID_ASK"
        send(isOfQuotes ? words.quoteHistory(id, page) : words.history(id, page), now)
    }

    /// Sends bars of five seconds that end in the part, or the days before today.
    private mutating func bars(_ fields: [String], _ now: Int64) {
        let id = Self.id(fields[1])
        guard !refuseHistory(id, now) else { return }
        if fields[16] == "1 day" {
            return send(words.bars(id, World.days), now)
        }
        guard let instrument = symbols.firstIndex(of: fields[3]), fields[16] == "5 secs",
            let end = Self.seconds(fields[15]),
            let length = fields[17].split(separator: " ").first.flatMap({ Int64($0) })
        else { return send(words.notice(id, 162, "HMDS query returned no data"), now) }
        let found = bars.filter {
            let open = Int64($0.number) * 5
            return $0.instrument == instrument && end - length <= open && open < end
        }
        send(words.bars(id, found.map { "\($0.number * 5)" }), now)
    }

    /// Reads `yyyymmdd-hh:mm:ss` of the day of these tests, in seconds.
    static func seconds(_ text: String) -> Int64? {
        let clock = text.dropFirst(9).split(separator: ":").compactMap { Int64($0) }
        guard text.hasPrefix(World.dayText), clock.count == 3 else { return nil }
        return World.dayStart + clock[0] * 3_600 + clock[1] * 60 + clock[2]
    }
}
