internal import MarketModel
internal import StreamCore

// Runs of trades, which all go through one stage before any of them goes to the next.
extension TickStages {
    /// Sends the trades of a run through the stages, with the same result as `run` for each trade
    /// in turn. The result is in the run: by point, the trades that reached it. Only one stage may
    /// append to each list of the output (`TickPlan.runMax`), or the order of the list would
    /// change.
    mutating func run(
        _ stages: [StagePlan], _ run: inout TradeRun, source: Int, root: UInt64,
        into output: inout GraphOutput
    ) {
        run.begin(at: root)
        for stage in stages {
            let lost = run.lost(stage.input)
            if !lost.isEmpty { lose(lost, at: stage, &run) }
            let here = run.passed(stage.input)
            if here.isEmpty { continue }
            let through = judge(stage, here, &run, source, &output)
            run.pass(through, to: stage.output)
            guard stage.isLive else { continue }
            for place in through {
                output.live.append(
                    LiveTick(node: Int(stage.node), tick: .trade(run.trades[place])))
            }
        }
    }

    /// Returns the trades of `here` that the stage lets through to its output.
    private mutating func judge(
        _ stage: StagePlan, _ here: TickPlaces, _ run: inout TradeRun, _ source: Int,
        _ output: inout GraphOutput
    ) -> TickPlaces {
        switch stage.kind {
        case .deduplicate:
            let owner = owner(of: here, run)
            let new = deduplicators[stage.index].newOnes(of: run.trades, at: here, of: owner)
            list(here.subtracting(new), of: stage, &run, source, &output)
            return new
        case .throttle:
            let owner = owner(of: here, run)
            return throttles[stage.index].passing(run.trades, at: here, of: owner)
        case .filter: return meeting(stage.index, stage, here, run)
        case .route: return route(stage, here, &run)
        case .join:
            let owner = owner(of: here, run)
            joins[stage.index].begin()
            for place in here {
                joins[stage.index].pair(
                    run.trades[place].header, at: place, from: source, of: owner)
            }
            return here
        case .custom:
            var passing = TickPlaces()
            for place in here where runOperator(stage, .trade(run.trades[place]), &output) {
                passing.insert(place)
            }
            return passing
        }
    }

    /// Returns the owner of some trades of a run, at least one. All are of one packet, so of one
    /// source.
    private func owner(of places: TickPlaces, _ run: TradeRun) -> Int {
        owner(of: run.trades[places.bits.trailingZeroBitCount].header.symbol)
    }

    /// Marks duplicates of an earlier deduplicator as lost at the stage's outputs, too.
    private func lose(_ places: TickPlaces, at stage: StagePlan, _ run: inout TradeRun) {
        run.lose(places, at: stage.output)
        guard stage.kind == .route else { return }
        for place in stage.index..<stage.index + stage.branchCount {
            run.lose(places, at: branches[place].output)
        }
    }

    /// Lists duplicates that a deduplicator found, and marks them as lost at its output.
    private func list(
        _ duplicates: TickPlaces, of stage: StagePlan, _ run: inout TradeRun, _ source: Int,
        _ output: inout GraphOutput
    ) {
        guard !duplicates.isEmpty else { return }
        run.lose(duplicates, at: stage.output)
        guard stage.series != StagePlan.noSeries else { return }
        for place in duplicates {
            let tick = TradeInStages(
                trade: run.trades[place], source: source, ordinal: run.ordinals[place])
            output.late.append(tick.duplicate(series: stage.series))
        }
    }

    /// Returns the trades of `here` that meet a condition of a stage.
    private func meeting(
        _ condition: Int, _ stage: StagePlan, _ here: TickPlaces, _ run: TradeRun
    ) -> TickPlaces {
        let evaluator = evaluators[condition]
        var meeting = TickPlaces()
        guard stage.join != StagePlan.noJoin else {
            for place in here where evaluator.isMet(by: run.trades[place]) {
                meeting.insert(place)
            }
            return meeting
        }
        for place in here {
            let trade = run.trades[place]
            let quote = joins[stage.join].quote(of: trade.header.symbol, at: place)
            if evaluator.isMet(by: trade, with: quote) { meeting.insert(place) }
        }
        return meeting
    }

    /// Sends each trade into the first branch whose condition it meets. Returns the trades that met
    /// one.
    private func route(
        _ stage: StagePlan, _ here: TickPlaces, _ run: inout TradeRun
    ) -> TickPlaces {
        var rest = here
        for place in stage.index..<stage.index + stage.branchCount {
            let branch = branches[place]
            let met = branch.condition.map { meeting($0, stage, rest, run) } ?? rest
            run.pass(met, to: branch.output)
            rest = rest.subtracting(met)
        }
        return here.subtracting(rest)
    }
}

extension TickPlan {
    /// The maximum number of trades that go through the stages together.
    var runMax: Int { mayRunTogether ? TickPlaces.ticksMax : 1 }

    /// Whether at most one stage appends to each list of the output: late ticks, values, live
    /// ticks. Then each list is in the order of the ticks, also when many ticks go through one
    /// stage before they reach the next.
    private var mayRunTogether: Bool {
        stages.count { $0.kind == .deduplicate && $0.series != StagePlan.noSeries } <= 1
            && stages.count { $0.kind == .custom } <= 1 && stages.count { $0.isLive } <= 1
    }
}
