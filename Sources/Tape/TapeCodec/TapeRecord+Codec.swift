public import MarketModel

// Reads every kind of record from its message, and appends it to a packet.
extension TapeRecord {
    /// Fails for a message without an ordinal, for a template that this version does not know, and
    /// for fields that do not hold what the template says. It does not read trades, quotes and
    /// bars, which the cursor itself returns.
    public init?(_ message: MessageBounds, in packet: RawSpan) {
        let record: TapeRecord? =
            switch message.template {
            case WireFormat.Template.depthUpdate:
                message.depthUpdate(in: packet).map(Self.depth)
            case WireFormat.Template.depthReset:
                message.depthReset(in: packet).map(Self.depthReset)
            case WireFormat.Template.providerBar:
                message.providerBar(in: packet).map(Self.providerBar)
            case WireFormat.Template.optionComputation:
                message.optionComputation(in: packet).map(Self.option)
            case WireFormat.Template.indicatorValue:
                message.indicatorValue(in: packet).map(Self.indicator)
            case WireFormat.Template.newsHeadline:
                message.newsHeadline(in: packet).map(Self.news)
            case WireFormat.Template.newsBulletin:
                message.newsBulletin(in: packet).map(Self.bulletin)
            case WireFormat.Template.fundamentalPart:
                message.fundamentalPart(in: packet).map(Self.fundamental)
            case WireFormat.Template.subscriptionRecord:
                message.subscriptionRecord(in: packet).map(Self.subscription)
            case WireFormat.Template.gapRecord:
                message.gapRecord(in: packet).map(Self.gap)
            case WireFormat.Template.repairRequest:
                message.repairRequest(in: packet).map(Self.repair)
            case WireFormat.Template.lateTick:
                message.lateTick(in: packet).map(Self.lateTick)
            default: nil
            }
        guard let record else { return nil }
        self = record
    }
}

extension PacketBuilder {
    public mutating func append(_ record: TapeRecord) -> AppendOutcome {
        switch record {
        case .trade(let tick): append(tick) ? .appended : .full
        case .quote(let tick): append(tick) ? .appended : .full
        case .depth(let tick): append(tick) ? .appended : .full
        case .depthReset(let tick): append(tick) ? .appended : .full
        case .providerBar(let bar): append(bar) ? .appended : .full
        case .option(let option): append(option) ? .appended : .full
        case .indicator(let value): append(value)
        case .news(let news): append(news)
        case .bulletin(let bulletin): append(bulletin)
        case .fundamental(let part): append(part)
        case .subscription(let record): append(record)
        case .gap(let gap): append(gap)
        case .repair(let request): append(request)
        case .bar(let bar): append(bar) ? .appended : .full
        case .lateTick(let late): append(late) ? .appended : .full
        }
    }
}
