public import MarketModel
public import TapeCodec

// The kinds that are fewer than trades, quotes and bars.
extension TapePublisher {
    // MARK: false: it has to wait for the next packet

    public func append(_ update: DepthUpdate, lane: Int) -> Bool {
        lanes[lane].builder.append(update)
    }

    public func append(_ reset: DepthReset, lane: Int) -> Bool {
        lanes[lane].builder.append(reset)
    }

    public func append(_ bar: ProviderBar, lane: Int) -> Bool {
        lanes[lane].builder.append(bar)
    }

    public func append(_ option: OptionComputation, lane: Int) -> Bool {
        lanes[lane].builder.append(option)
    }

    public func append(_ late: LateTickRecord, lane: Int) -> Bool {
        lanes[lane].builder.append(late)
    }

    // MARK: with fields of variable length, which may be too long for any packet

    public func append(_ news: NewsHeadline, lane: Int) -> AppendOutcome {
        lanes[lane].builder.append(news)
    }

    public func append(_ bulletin: NewsBulletin, lane: Int) -> AppendOutcome {
        lanes[lane].builder.append(bulletin)
    }

    public func append(_ part: FundamentalPart, lane: Int) -> AppendOutcome {
        lanes[lane].builder.append(part)
    }

    public func append(_ indicator: IndicatorValue, lane: Int) -> AppendOutcome {
        lanes[lane].builder.append(indicator)
    }

    public func append(_ record: SubscriptionRecord, lane: Int) -> AppendOutcome {
        lanes[lane].builder.append(record)
    }

    public func append(_ gap: GapRecord, lane: Int) -> AppendOutcome {
        lanes[lane].builder.append(gap)
    }

    public func append(_ request: RepairRequest, lane: Int) -> AppendOutcome {
        lanes[lane].builder.append(request)
    }
}
