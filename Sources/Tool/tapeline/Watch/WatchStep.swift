import DeploymentWatch
import MarketModel
import Membership
import Primitives

/// A step of the way of a tick, in the order and with the words of the cockpit's overview.
struct WatchStep: Equatable, Sendable {
    let name: String
    var look: StepLook
    /// Records per second, with what they are.
    var rate: Double?
    var unit = "ticks/s"
    /// Unread records, and about how long they took to come.
    var records: UInt64?
    var seconds: Double?
}

extension WatchView {
    private static let listener = "watch"
    static let notNow = StepLook(.unknown, "not known now")
    private static let notYet = StepLook(.unknown, "not known yet: it is the first look")

    var steps: [WatchStep] {
        let stores = Set(
            sample.needed.filter(\.isStore).map(\.text)
                + groups.map(\.name).filter { GroupName($0)?.isStore == true }
        ).sorted()
        let rest = groups.filter {
            $0.ticks != nil && GroupName($0.name)?.sharesPartitions != true
        }
        // What people write by hand comes by no gateway, and a retired source has none.
        let live = sources.filter {
            $0.name != SourceName.manual.text
                && sample.around.sent[$0.name, default: .undefined] != nil
        }
        var steps = live.map(step)
        steps += [reader(GroupName.operators.text, so: "bars are made"), barStep]
        steps += stores.map { reader($0, so: "rows are stored") }
        steps.append(databaseStep)
        steps += rest.map { reader($0.name, so: nil) }
        if isOld { for index in steps.indices { steps[index].look = Self.notNow } }
        return steps
    }

    /// Whether a ready member of the group was heard.
    private func isAlive(_ group: String) -> Bool {
        groups.contains { $0.name == group && $0.ready > 0 }
    }

    /// `nil`: no look has found anything new.
    private func age(_ name: String) -> Double? {
        sample.around.changed[name].map { Double(sample.readAt - $0) / 1e9 }
    }

    private func step(_ source: Source) -> WatchStep {
        let gateway = SourceName(source.name)?.gatewayGroup.text ?? ""
        let look: StepLook =
            if !isAlive(gateway) {
                .absent("gateway of \(source.name)")
            } else if source.perSecond == nil {
                Self.notYet
            } else {
                .flow(of: "tick", age: age(source.name), since: Self.listener)
            }
        return WatchStep(name: source.name, look: look, rate: source.perSecond)
    }

    private var barStep: WatchStep {
        let operators = GroupName.operators.text
        let look: StepLook =
            if !isAlive(operators) {
                .absent(operators)
            } else if let bars {
                bars.perSecond == nil
                    ? Self.notYet
                    : .flow(
                        of: "bar", age: age(WatchTrail.bars),
                        quietAfter: StepLook.barsQuietSeconds, since: Self.listener)
            } else {
                StepLook(.quiet, "no bar yet")
            }
        return WatchStep(name: "tape: bars", look: look, rate: bars?.perSecond, unit: "bars/s")
    }

    /// `purpose` is what is not done without it. `nil`: it may have no members.
    private func reader(_ name: String, so purpose: String?) -> WatchStep {
        let group = groups.first { $0.name == name }
        let lags = [group?.ticks, group?.bars].compactMap { $0 }
        let records = lags.isEmpty ? nil : lags.reduce(0) { $0 &+ $1.ordinals }
        let times = [
            Self.seconds(group?.ticks, sources.compactMap(\.perSecond)),
            Self.seconds(group?.bars, [bars?.perSecond].compactMap { $0 }),
        ]
        let longest = times.max() ?? 0
        let seconds = lags.isEmpty || longest.isInfinite ? nil : longest
        let isFed = sources.contains {
            (age($0.name) ?? .infinity) <= StepLook.quietSeconds
        }
        let look: StepLook =
            if let purpose, !isAlive(name) {
                .absent(name, so: purpose)
            } else if sources.contains(where: { $0.perSecond == nil }) {
                Self.notYet
            } else {
                .reader(
                    records: records, seconds: seconds,
                    unheard: lags.map(\.unheard).max() ?? 0, isFed: isFed)
            }
        return WatchStep(name: name, look: look, records: records, seconds: seconds)
    }

    /// About how long it took a lag to come at the present rates. Infinite: nothing comes.
    private static func seconds(_ lag: WatchPositions.Lag?, _ rates: [Double]) -> Double {
        guard let lag, lag.ordinals > 0 else { return 0 }
        return Double(lag.ordinals) / rates.reduce(0, +)
    }

    private var databaseStep: WatchStep {
        let around = sample.around
        let isStored = groups.contains { GroupName($0.name)?.isStore == true && $0.ready > 0 }
        let look: StepLook =
            if around.isDatabaseAway {
                StepLook(.dead, WatchVerdict.line(sample.gapsAbsence))
            } else if !sample.gapsAbsence.isEmpty {
                StepLook(.unknown, WatchVerdict.line(sample.gapsAbsence))
            } else if around.writtenSeconds == nil {
                StepLook(.quiet, "it answers, and nothing was written yet")
            } else if !isStored {
                .absent("writer")
            } else {
                .flow(of: "commit", age: around.writtenSeconds, since: Self.listener)
            }
        return WatchStep(name: "database", look: look)
    }
}
