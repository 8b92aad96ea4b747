import Seeds
import StoreKit
import Testing

@Suite("The proof of a store")
struct StoreProofTests {
    /// Returns what the proof says of a store; `nil`: nothing.
    private func verdict(_ flaw: MemoryStore.Flaw?, _ seed: UInt64, steps: Int = 200) -> String? {
        let content = MemoryStore.Content()
        do {
            try StoreProof(
                seed: seed, connect: { MemoryStore(content, flaw) },
                rows: { content.rows[$0] ?? [] }, refused: MemoryStore.refused
            ).run(steps: steps)
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test("a store that keeps its promises passes")
    func good() {
        for seed in Seeds(fixed: 1...200, weight: 0.2).all() {
            let found = verdict(nil, seed)
            #expect(found == nil, "TAPELINE_SEED=\(seed): \(found ?? "")")
        }
    }

    @Test("a store that breaks a promise is refused", arguments: MemoryStore.Flaw.allCases)
    func flawed(flaw: MemoryStore.Flaw) {
        for seed in UInt64(1)...10 {
            let found = verdict(flaw, seed)
            #expect(found?.hasPrefix("seed \(seed), ") == true, "\(flaw)")
        }
    }

    @Test("values are exact as texts")
    func texts() {
        let columns: [(StoreColumn.Values, [String?])] = [
            (.int64([.min, nil]), ["-9223372036854775808", nil]),
            (.decimal([-12_500_000_000, 7], scale: 9), ["-12.5", "0.000000007"]),
            (.text(["", "a"]), ["", "a"]), (.bool([true, false]), ["true", "false"]),
            (.time([1_700_000_000_000_001, nil]), ["1700000000000001", nil]),
            (.json(["{}", nil]), ["{}", nil]), (.bytes([[0, 255, 16], []]), ["00ff10", ""]),
        ]
        for (values, expected) in columns {
            let column = StoreColumn(name: "a", values: values)
            #expect([column.text(0), column.text(1)] == expected)
        }
    }

    @Test("rows can be left out of a table")
    func parts() {
        let table = StoreTable(
            name: "t",
            columns: [
                StoreColumn(name: "a", values: .int64([1, 2, 3, 4])),
                StoreColumn(name: "b", values: .text(["x", nil, "z", ""])),
            ])
        #expect(table.rows(1..<3).columns.map { $0.text(1) } == ["3", "z"])
        #expect(table.without([0, 2]).columns.map { $0.text(0) } == ["2", nil])
        #expect(table.without([0, 2]).rowCount == 2)
    }
}
