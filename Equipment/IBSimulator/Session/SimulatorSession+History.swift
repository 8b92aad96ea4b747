internal import Primitives

/// Requests for the past.
extension SimulatorSession {
    mutating func handlePast(_ request: ClientRequest, _ world: World) {
        switch request {
        case .historicalData(let wanted): sendBars(wanted, world)
        case .cancelHistoricalData(let id):
            if let place = growing.firstIndex(where: { $0.request == id }) {
                growing.remove(at: place)
                refuse(id, 162, "Historical Market Data Service error message:API query cancelled")
            } else {
                refuse(id, 366, "No historical data query found for ticker id:\(id)")
            }
        case .historicalTicks(let wanted): requestTicks(wanted, world)
        case .headTimestamp(let id, let contract, _, let format):
            guard let index = find(contract, id, world), isHistoryThere(id, world) else { return }
            let first = world.market.firstSecond
            let text = "\(MarketTime.date(first))-\(MarketTime.clock(first))"
            send(writer.headTimestamp(id, format == 2 ? String(first) : text), of: index)
        case .cancelHeadTimestamp, .cancelHistogram: break
        case .histogram(let id, let contract, let period):
            sendHistogram(id, contract, period, world)
        default: handleKnowledge(request, world)
        }
    }

    /// Returns false and sends error 162 if there is no history.
    private mutating func isHistoryThere(_ id: Int32, _ world: World) -> Bool {
        guard world.conditions.isHistoryFarmDown || world.conditions.isServerLost else {
            return true
        }
        historyError(id, "HMDS connection is not there")
        return false
    }

    private mutating func historyError(_ id: Int32, _ text: String) {
        refuse(id, 162, "Historical Market Data Service error message:\(text)")
    }

    /// Returns false and sends error 162 if there were too many requests.
    mutating func isPaced(
        _ id: Int32, _ index: Int, _ rest: [String], _ world: World
    ) -> Bool {
        if pacingErrors > 0 {
            pacingErrors -= 1
            historyError(id, "Historical data request pacing violation")
            return false
        }
        let show = rest.first ?? ""
        let contract = "\(world.market.instruments[index].conID) \(show)"
        guard
            let problem = pacingProblem(
                key: "\(contract) \(rest.joined(separator: "|"))", contract: contract,
                isBidAsk: show == "BID_ASK", world)
        else { return true }
        historyError(id, problem)
        return false
    }

    // MARK: bars

    private mutating func sendBars(_ wanted: BarsRequest, _ world: World) {
        let id = wanted.id
        guard let index = find(wanted.contract, id, world), isHistoryThere(id, world),
            isPaced(
                id, index, [wanted.show, wanted.end, wanted.duration, wanted.barSize], world)
        else { return }
        if wanted.show == "SCHEDULE", writer.serverVersion >= 165 {
            sendSchedule(id, index, world)
            return
        }
        guard let show = MarketHistory.Show(rawValue: wanted.show),
            let width = Self.width(ofBars: wanted.barSize),
            let span = Self.seconds(ofDuration: wanted.duration),
            let end = wanted.end.isEmpty ? world.second + 1 : MarketTime.parse(wanted.end),
            !wanted.keepsUpToDate || wanted.end.isEmpty
        else {
            refuse(id, 321, "Error validating request: bar size, duration, end or kind of bars")
            return
        }
        do throws(MarketHistory.TooMuch) {
            let bars = try world.history(writer.serverVersion).bars(
                of: index, from: end - span, until: end, width: width, show: show)
            sendBars(bars, end - span, end, width, wanted, index)
        } catch {
            historyError(id, "the simulator does not look back so far in one request")
            return
        }
        guard wanted.keepsUpToDate else { return }
        growing.append(
            GrowingBar(
                request: id, instrument: index, show: show, width: width,
                format: wanted.format))
    }

    private mutating func sendBars(
        _ bars: [MarketHistory.Bar], _ start: Int64, _ end: Int64, _ width: Int64,
        _ wanted: BarsRequest, _ index: Int
    ) {
        guard !bars.isEmpty else {
            historyError(wanted.id, "HMDS query returned no data")
            return
        }
        let entries = bars.map {
            MessageWriter.DatedBar(
                date: dateText($0.start, width: width, format: wanted.format), bar: $0.texts)
        }
        send(
            writer.historicalData(
                wanted.id, start: "\(MarketTime.date(start)) \(MarketTime.clock(start)) UTC",
                end: "\(MarketTime.date(end)) \(MarketTime.clock(end)) UTC", entries), of: index)
    }

    func dateText(_ second: Int64, width: Int64, format: Int32) -> String {
        if width >= MarketTime.secondsPerDay { return MarketTime.date(second) }
        if format == 2 { return String(second) }
        let (date, clock) = (MarketTime.date(second), MarketTime.clock(second))
        return writer.serverVersion >= 174 ? "\(date) \(clock) UTC" : "\(date)  \(clock)"
    }

    /// Parses a width such as `5 mins` into seconds.
    static func width(ofBars text: String) -> Int64? {
        let units: [String: (Int64, allowed: [Int64])] = [
            "sec": (1, [1, 5, 10, 15, 30]), "min": (60, [1, 2, 3, 5, 10, 15, 20, 30]),
            "hour": (3_600, [1, 2, 3, 4, 8]), "day": (86_400, [1]),
        ]
        let words = text.split(separator: " ")
        guard words.count == 2, let count = Int64(words[0]) else { return nil }
        let name = words[1].hasSuffix("s") ? String(words[1].dropLast()) : String(words[1])
        guard let unit = units[name], unit.allowed.contains(count) else { return nil }
        return unit.0 * count
    }

    /// Parses a duration such as `1 D` into seconds.
    static func seconds(ofDuration text: String) -> Int64? {
        let units: [String: Int64] = [
            "S": 1, "D": 86_400, "W": 604_800, "M": 2_592_000, "Y": 31_536_000,
        ]
        let words = text.split(separator: " ")
        guard words.count == 2, let count = Int64(words[0]), (1...86_400).contains(count),
            let unit = units[String(words[1])]
        else { return nil }
        return unit * count
    }

    private mutating func sendSchedule(_ id: Int32, _ index: Int, _ world: World) {
        let today = MarketTime.days(world.second) * MarketTime.secondsPerDay
        let sessions = (-1...0).map { offset -> MessageWriter.TradingSession in
            let day = today + Int64(offset) * MarketTime.secondsPerDay
            let date = MarketTime.date(day)
            return MessageWriter.TradingSession(
                start: "\(date)-00:00:00", end: "\(date)-23:59:59", date: date)
        }
        send(writer.historicalSchedule(id, zone: "UTC", sessions), of: index)
    }

    private mutating func sendHistogram(
        _ id: Int32, _ contract: RequestedContract, _ period: String, _ world: World
    ) {
        guard let index = find(contract, id, world), isHistoryThere(id, world) else { return }
        let words = period.split(separator: " ")
        let units: [String: Int64] = ["second": 1, "minute": 60, "hour": 3_600, "day": 86_400]
        let name = words.last.map { $0.hasSuffix("s") ? String($0.dropLast()) : String($0) }
        guard words.count == 2, let count = Int64(words[0]), (1...1_000).contains(count),
            let unit = units[name ?? ""]
        else {
            refuse(id, 321, "Error validating request: period '\(period.prefix(20))'")
            return
        }
        let instrument = world.market.instruments[index]
        do throws(MarketHistory.TooMuch) {
            let rows = try world.history(writer.serverVersion)
                .histogram(of: index, seconds: unit * count)
            send(
                writer.histogram(
                    id,
                    rows.map {
                        (
                            instrument.priceText($0.0),
                            instrument.sizeText(
                                $0.1, version: writer.serverVersion, isPast: true)
                        )
                    }), of: index)
        } catch {
            historyError(id, "the simulator does not look back so far in one request")
        }
    }
}
