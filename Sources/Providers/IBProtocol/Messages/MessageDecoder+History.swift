internal import MarketModel
internal import Primitives

extension MessageDecoder {
    static func historicalBars(_ fields: inout FieldCursor) -> IBMessage {
        var answer = HistoricalBars(request: fields.number(), bars: [])
        // The beginning and the end of the requested time.
        fields.skip(2)
        let count = fields.count(fields: 8)
        answer.bars.reserveCapacity(count)
        for _ in 0..<count {
            let time = fields.providerTime()
            let (open, high, low, close) = (
                fields.price(), fields.price(), fields.price(), fields.price()
            )
            let volume = fields.volume()
            answer.bars.append(
                HistoricalBar(
                    time: time, open: open, high: high, low: low, close: close,
                    vwap: positive(fields.average(), volume), volume: volume,
                    trades: fields.tradeCount()))
        }
        return .history(.bars(answer))
    }

    static func historicalMidpoints(_ fields: inout FieldCursor) -> IBMessage {
        let request = fields.number()
        let count = fields.count(fields: 4)
        var ticks: [MidpointTick] = []
        ticks.reserveCapacity(count)
        for _ in 0..<count {
            let time = fields.seconds()
            fields.skip()
            ticks.append(MidpointTick(time: time, price: fields.price()))
            fields.skip()
        }
        return .history(
            .midpoints(
                HistoricalTicks(request: request, ticks: ticks, isLast: fields.flag())))
    }

    static func historicalQuotes(_ fields: inout FieldCursor) -> IBMessage {
        let request = fields.number()
        let count = fields.count(fields: 6)
        var ticks: [QuoteTick] = []
        ticks.reserveCapacity(count)
        for _ in 0..<count {
            let time = fields.seconds()
            // Attributes.
            fields.skip()
            ticks.append(
                QuoteTick(
                    time: time, bidPrice: fields.price(), askPrice: fields.price(),
                    bidSize: fields.size(), askSize: fields.size()))
        }
        return .history(
            .quotes(
                HistoricalTicks(request: request, ticks: ticks, isLast: fields.flag())))
    }

    static func historicalTrades(_ fields: inout FieldCursor) -> IBMessage {
        let request = fields.number()
        let count = fields.count(fields: 6)
        var ticks: [TradeTick] = []
        ticks.reserveCapacity(count)
        for _ in 0..<count {
            let time = fields.seconds()
            let mask = fields.mask()
            ticks.append(
                TradeTick(
                    time: time, price: fields.price(), size: fields.size(), mask: mask,
                    exchange: fields.shortText(), conditions: fields.shortText()))
        }
        return .history(
            .trades(
                HistoricalTicks(request: request, ticks: ticks, isLast: fields.flag())))
    }

    static func headTimestamp(_ fields: inout FieldCursor) -> IBMessage {
        .feed(
            .headTimestamp(
                HeadTimestamp(request: fields.number(), time: fields.providerTime(.universal))))
    }
}
