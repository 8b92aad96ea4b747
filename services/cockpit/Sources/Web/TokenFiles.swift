import Primitives
import ServiceRuntime
import Synchronization

/// The tokens by which people are let in, as their files have them. The thread of the server looks
/// at the files, not more often than every `interval`.
final class TokenFiles: Sendable, Equatable {
    static let interval = Duration.seconds(2)

    struct Look: Sendable {
        /// Those that count, if others do than before.
        var tokens: Sessions.Tokens?
        /// Why those of before count on. It is said once.
        var problem: String?
    }

    typealias ReadPeople = @Sendable () -> Result<People, People.Refusal>

    private struct State {
        var tokens: Sessions.Tokens
        var due: MonotonicTime
        var problem: String?
    }

    private let shared: RenewableSecret?
    private let readPeople: ReadPeople?
    private let state: Mutex<State>

    /// Fails when none of them is in a file.
    init?(_ tokens: Sessions.Tokens, shared: RenewableSecret?, people: ReadPeople?) {
        guard shared != nil || people != nil else { return nil }
        self.shared = shared
        readPeople = people
        state = Mutex(State(tokens: tokens, due: .distantPast))
    }

    static func == (one: TokenFiles, other: TokenFiles) -> Bool { one === other }

    var tokens: Sessions.Tokens { state.withLock { $0.tokens } }

    /// Reads the files again, if it is time for that.
    func look(at now: MonotonicTime) -> Look {
        state.withLock { state in
            guard now >= state.due else { return Look() }
            state.due = now.advanced(by: Self.interval)
            var tokens = state.tokens
            var problem: String?
            if let shared {
                _ = shared.renew(refused: shared.value)
                tokens.shared = shared.value
            }
            switch readPeople?() {
            case .success(let people): tokens.people = people
            case .failure(let refusal): problem = refusal.description
            case nil: break
            }
            var look = Look()
            if tokens != state.tokens { look.tokens = tokens }
            if problem != state.problem { look.problem = problem }
            (state.tokens, state.problem) = (tokens, problem)
            return look
        }
    }
}
