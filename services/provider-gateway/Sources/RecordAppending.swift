import MarketModel
import ProviderKit
import ProviderModel
import TapeCodec
import TapeTransport

// A provider's record into a packet, whatever it is.
extension PacketBuilder {
    mutating func append(_ record: ProviderRecord) -> AppendOutcome {
        switch record {
        case .trade(let tick): append(tick) ? .appended : .full
        case .quote(let tick): append(tick) ? .appended : .full
        case .depth(let tick): append(tick) ? .appended : .full
        case .depthReset(let tick): append(tick) ? .appended : .full
        case .bar(let tick): append(tick) ? .appended : .full
        case .option(let tick): append(tick) ? .appended : .full
        case .indicator(let value): append(value)
        case .news(let news): append(news)
        case .bulletin(let bulletin): append(bulletin)
        case .fundamental(let part): append(part)
        case .subscription(let record): append(record)
        case .gap(let record): append(record)
        case .feed, .definition: .appended
        }
    }
}

extension TapePublisher {
    func append(_ record: ProviderRecord, lane: Int) -> AppendOutcome {
        switch record {
        case .trade(let tick): append(tick, lane: lane) ? .appended : .full
        case .quote(let tick): append(tick, lane: lane) ? .appended : .full
        case .depth(let tick): append(tick, lane: lane) ? .appended : .full
        case .depthReset(let tick): append(tick, lane: lane) ? .appended : .full
        case .bar(let tick): append(tick, lane: lane) ? .appended : .full
        case .option(let tick): append(tick, lane: lane) ? .appended : .full
        case .indicator(let value): append(value, lane: lane)
        case .news(let news): append(news, lane: lane)
        case .bulletin(let bulletin): append(bulletin, lane: lane)
        case .fundamental(let part): append(part, lane: lane)
        case .subscription(let record): append(record, lane: lane)
        case .gap(let record): append(record, lane: lane)
        case .feed, .definition: .appended
        }
    }
}
