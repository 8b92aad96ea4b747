import MarketModel
import Testing

@testable import ProviderGateway

@Suite("What becomes of a spool")
struct SpoolDecisionTests {
    private func decide(
        ticks: Int = 5, isHolderUnknown: Bool = false, held: [UInt64] = [4, 6],
        onTape: [UInt64] = [6, 3]
    ) -> SpoolDecision {
        SpoolDecision(
            ticks: ticks, isEmpty: ticks == 0, isHolderUnknown: isHolderUnknown,
            [
                Partition(0): SpoolDecision.Standing(ticks: 5, held: held, onTape: onTape),
                Partition(1): SpoolDecision.Standing(),
            ])
    }

    private func isAside(_ decision: SpoolDecision, _ part: String) -> Bool {
        guard case .setAside(let reason) = decision else { return false }
        return reason.contains(part)
    }

    @Test("an empty one is nothing, whoever had it")
    func empty() { #expect(decide(ticks: 0, isHolderUnknown: true) == .nothing) }

    @Test(
        "it is published when every epoch on the tape since it began is its holder's",
        arguments: [[], [6], [6, 4], [6, 3], [3], [4, 2]] as [[UInt64]])
    func published(onTape: [UInt64]) { #expect(decide(onTape: onTape) == .publish) }

    @Test(
        "it is set aside when somebody else was the owner in between",
        arguments: [[7], [6, 5], [7, 6], [5]] as [[UInt64]])
    func foreign(onTape: [UInt64]) {
        #expect(isAside(decide(onTape: onTape), "another gateway opened epoch"))
    }

    @Test("it is set aside when nobody knows who had it, or nobody takes its partitions")
    func unknown() {
        #expect(isAside(decide(isHolderUnknown: true), "not known"))
        #expect(isAside(decide(held: []), "partition 0 is not known"))
        #expect(isAside(decide(ticks: 7), "without symbols"))
    }
}
