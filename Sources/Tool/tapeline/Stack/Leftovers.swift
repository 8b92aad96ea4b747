internal import Glibc
import Primitives
import ServiceRuntime

/// Finds and ends the processes of a stack whose supervisor was killed. A process belongs to the
/// stack if the state file names it with its start time, or if its environment carries the stack's
/// marker. No other process is touched.
struct Leftovers {
    static let killGrace: Duration = .seconds(5)

    let home: StackHome
    let state: StackState?
    /// The time they have to end by themselves before they are killed.
    var stopGrace: Duration = .seconds(12)

    var isEmpty: Bool { (state?.alive ?? []).isEmpty && marked().isEmpty }

    /// Ends them, services first. `tell` is called with a line for each.
    func stop(_ tell: (String) -> Void) throws(ToolError) {
        let known = state?.alive ?? []
        for stage in Set(known.map(\.stage)).sorted(by: >) {
            let units = known.filter { $0.stage == stage }
            let processes = units.compactMap { unit in unit.process.map { ($0, unit.stopSignal) } }
            for unit in units { tell("\(unit.name) is stopped") }
            try end(processes)
        }
        let unknown = marked()
        if unknown.isEmpty { return }
        tell("\(unknown.count) more of its processes are stopped")
        try end(unknown.map { ($0, SIGTERM) })
    }

    private func end(_ processes: [(ProcessIdentity, Int32)]) throws(ToolError) {
        for (process, signal) in processes { _ = process.signal(signal) }
        let clock = SystemClock()
        let deadline = clock.deadline(after: stopGrace)
        let stubborn = processes.map(\.0).filter {
            !$0.waitUntilGone(timeout: clock.remaining(until: deadline))
        }
        for process in stubborn { _ = process.signal(SIGKILL) }
        let immortal = stubborn.filter { !$0.waitUntilGone(timeout: Leftovers.killGrace) }
        guard immortal.isEmpty else {
            throw .stillRunning(immortal.map { "process \($0.id)" })
        }
    }

    /// Returns the processes that carry this stack's marker. Processes of other users cannot be
    /// read and do not belong to it.
    func marked() -> [ProcessIdentity] {
        let mark = Array("\(StackPlan.marker)=\(home.path)".utf8)
        return FileSystem.names(in: "/proc").compactMap { Int32($0) }.compactMap { id in
            // The identity is read first. If the process number is reused afterwards, the new
            // process has another identity.
            guard let process = ProcessIdentity(of: id), process.isAlive,
                environment(of: id).contains(mark[...])
            else { return nil }
            return process
        }
    }

    private func environment(of id: Int32) -> [ArraySlice<UInt8>] {
        do {
            return try FileSystem.read("/proc/\(id)/environ")?.split(separator: 0) ?? []
        } catch {
            return []
        }
    }
}
