import Primitives
import ServiceRuntime

extension VersionStore.Outcome {
    static let examplesMax = 5

    mutating func add(_ other: Self) {
        times += other.times
        versions += other.versions
        incompleteBars += other.incompleteBars
        incomplete = max(incomplete, other.incomplete)
        disagreements += other.disagreements
        examples += other.examples.prefix(max(0, Self.examplesMax - examples.count))
    }
}

/// What `tapeline versions fill` has done, as text and as JSON.
struct VersionsReport {
    enum State: Equatable {
        /// The command was interrupted before its end.
        case begun
        /// Nothing of before is missing, or the tape has no bar from before.
        case nothing
        /// Everything that the tape has is in the database.
        case whole
        /// Versions of the tape are not in the database as the tape has them.
        case disagrees
        case unreadable(String)

        var word: String {
            switch self {
            case .begun: "interrupted"
            case .nothing: "nothing"
            case .whole: "whole"
            case .disagrees: "disagrees"
            case .unreadable: "unreadable"
            }
        }
    }

    /// A partition.
    struct Filled {
        /// As it was.
        let book: VersionStore.Book
        var outcome = VersionStore.Outcome()
        var state = State.begun
        var hasMoved = false
        /// The book as it is now; `nil` if nothing was tried.
        var reached: VersionStore.Book?

        init(book: VersionStore.Book) { self.book = book }
    }

    let isDryRun: Bool
    var partitions: [Filled] = []
    var isInterrupted = false

    init(isDryRun: Bool) { self.isDryRun = isDryRun }

    var exitCode: ExitCode {
        let isFine = partitions.allSatisfy {
            switch $0.state {
            case .nothing, .whole: true
            case .begun, .disagrees, .unreadable: false
            }
        }
        return isFine && !isInterrupted ? .success : .failure
    }

    private var whole: VersionStore.Outcome {
        partitions.reduce(into: VersionStore.Outcome()) { $0.add($1.outcome) }
    }

    // MARK: text

    var lines: [String] {
        guard !partitions.isEmpty else {
            return [
                isInterrupted
                    ? "interrupted; run it again for the rest"
                    : "nothing to fill: no bar is from before versions were kept"
            ]
        }
        let sum = whole
        let added =
            "\(sum.times) times and \(sum.versions) versions "
            + (isDryRun ? "would be added" : "added")
        return partitions.flatMap(lines) + [
            added + (isInterrupted ? "; interrupted, run it again for the rest" : "")
        ]
    }

    private func lines(_ filled: Filled) -> [String] {
        let outcome = filled.outcome
        let name = "partition \(filled.book.partition): "
        switch filled.state {
        case .begun: return [name + "not finished"]
        case .nothing where filled.book.afterOrdinal == 0:
            return [name + "nothing is missing; known since \(filled.book.keptSince)"]
        case .nothing: return [name + "the tape has no bar from before"]
        case .unreadable(let reason): return [name + reason]
        case .disagrees:
            let more = outcome.disagreements - outcome.examples.count
            return [
                name + "\(outcome.disagreements) versions on the tape are not in the database as "
                    + "they are there; it keeps its versions since \(filled.book.keptSince)"
            ] + outcome.examples.map { "  \($0)" } + (more > 0 ? ["  and \(more) more"] : [])
        case .whole:
            let rows = "\(outcome.times) times, \(outcome.versions) versions"
            guard !isDryRun, let reached = filled.reached else { return [name + rows] }
            let lacking =
                outcome.incompleteBars > 0
                ? "; \(outcome.incompleteBars) bars lack versions that the tape has lost" : ""
            return [name + "\(rows); known since \(reached.keptSince)\(lacking)"]
        }
    }

    // MARK: JSON

    func json() -> String {
        var writer = JSONWriter(capacity: 256 * (partitions.count + 1))
        let sum = whole
        writer.object { writer in
            writer.member("dry_run", isDryRun)
            writer.member("interrupted", isInterrupted)
            writer.member("times", sum.times)
            writer.member("versions", sum.versions)
            writer.member("disagreements", sum.disagreements)
            writer.member(
                "partitions",
                array: { writer in for filled in partitions { write(filled, &writer) } })
        }
        return writer.text
    }

    private func write(_ filled: Filled, _ writer: inout JSONWriter) {
        let outcome = filled.outcome
        let reached = filled.reached ?? filled.book
        writer.object { writer in
            writer.member("partition", filled.book.partition)
            writer.member("state", filled.state.word)
            if case .unreadable(let reason) = filled.state { writer.member("reason", reason) }
            writer.member("times", outcome.times)
            writer.member("versions", outcome.versions)
            writer.member("incomplete_bars", outcome.incompleteBars)
            writer.member("disagreements", outcome.disagreements)
            writer.member(
                "examples",
                array: { writer in for example in outcome.examples { writer.value(example) } })
            writer.member("moved", filled.hasMoved)
            writer.member("after_ordinal", reached.afterOrdinal)
            writer.member("kept_since", time: reached.keptSince)
        }
    }
}
