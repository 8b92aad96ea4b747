import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime
import TapeTransport

/// Carries out `tapeline member`.
struct MemberRun {
    private static let work = Deployment.TapeWork(
        failure: "the members cannot be asked", right: "drain or release members")
    private static let nanosecondsPerSecond: Int64 = 1_000_000_000
    /// So long the first packets of new owners are waited for.
    private static let pausePatience = Duration.seconds(10)

    let command: MemberCommand
    let terminal: Terminal
    let shutdown: ShutdownSignal

    /// What was asked, for the report.
    private struct Asked {
        let groups: [GroupName]
        let cause: DrainCause?
        let isDrain: Bool
        /// What the tape says of the hand-over. `nil`: nobody waits for it.
        var pauses: HandoverPauses?
    }

    func run(_ deployment: Deployment) throws(ToolError) -> ExitCode {
        try deployment.onTape(Self.work) { client in
            let directory = try GroupDirectory(client)
            let plan = DrainPlan(members: directory.members, drains: directory.drains)
            guard let book = try DrainBook(client) else {
                throw ToolError.refused("no member has ever run on this tape")
            }
            let asked =
                switch command.verb {
                case .drain(let wish): try drain(wish, plan, book, client)
                case .release: try release(plan, book)
                }
            let code = try finish(asked, client)
            // Last, so that its failure hides no answer.
            try tidy(directory, book)
            return code
        }
    }

    private func drain(
        _ wish: MemberCommand.Wish, _ plan: DrainPlan, _ book: DrainBook, _ client: TapeClient
    ) throws -> Asked {
        let groups = try plan.groups(command.member, wish)
        let cause = DrainCause(
            reason: wish.reason,
            requester: Requester.name(bytesMax: DrainCause.requesterBytesMax),
            asked: SystemClock().now(), isForced: wish.isForced)
        let request = DrainRequest(groups: groups, cause: cause)
        guard request.json.count <= DrainRequest.bytesMax else {
            throw ToolError.usage("the request is too long: shorten --reason")
        }
        let pauses = pauses(groups, plan.members, client)
        try settle(try book.ask(request, about: command.member))
        if !wish.isForced { try requireNobodyBefore(groups, plan, book, client) }
        return Asked(groups: groups, cause: cause, isDrain: true, pauses: pauses)
    }

    /// Notes where the tape is before the hand-over. What is not known of it stops no hand-over.
    private func pauses(
        _ groups: [GroupName], _ members: [GroupDirectory.Member], _ client: TapeClient
    ) -> HandoverPauses? {
        guard command.waitSeconds != nil else { return nil }
        do {
            return try HandoverPauses(
                groups,
                { group in
                    members.filter {
                        $0.group == group && $0.heartbeat.member == command.member
                    }.flatMap(\.heartbeat.held)
                }, client)
        } catch {
            terminal.problem("the pause of the tape is not measured: \(error)")
            return nil
        }
    }

    /// Takes the request back if somebody drained the other members at the same moment. Of two
    /// requests that see each other, the earlier one stays.
    private func requireNobodyBefore(
        _ groups: [GroupName], _ plan: DrainPlan, _ book: DrainBook, _ client: TapeClient
    ) throws {
        let drains = try GroupDirectory(client, listeningFor: .milliseconds(1)).drains
        guard let own = drains.first(where: { $0.member == command.member }) else { return }
        let before = DrainPlan(
            members: plan.members, drains: drains.filter { $0.revision < own.revision })
        do {
            for group in groups { try before.requireSuccessor(of: command.member, in: group) }
        } catch {
            try settle(try book.release(own))
            throw error
        }
    }

    private func release(_ plan: DrainPlan, _ book: DrainBook) throws -> Asked {
        let entry = try plan.request(about: command.member)
        try settle(try book.release(entry))
        // It is waited for where its process is heard.
        let heard = plan.members.filter { $0.heartbeat.member == command.member }.map(\.group)
        let groups = entry.request?.groups.filter { heard.contains($0) } ?? []
        return Asked(groups: groups, cause: entry.request?.cause, isDrain: false)
    }

    private func settle(_ outcome: WriteOutcome) throws(ToolError) {
        switch outcome {
        case .stored: return
        case .conflict:
            throw .refused(
                "somebody else has asked something of \(command.member) at the same moment; "
                    + "nothing was changed: look at 'tapeline members', and try again")
        case .unsettled(let reason):
            throw .unreachable(
                "nobody knows whether the request was stored (\(reason)): look at 'tapeline "
                    + "members', and try again")
        }
    }

    /// Removes what nobody needs any more, so that the requests stay few.
    private func tidy(_ directory: GroupDirectory, _ book: DrainBook) throws {
        // Who acts for somebody else may write requests, and purge nothing.
        guard Requester.isOwn else { return }
        let heard = Set(directory.members.map(\.heartbeat.member))
        let now = SystemClock().now()
        try book.remove(
            directory.drains.filter {
                $0.member != command.member
                    && $0.isObsolete(at: now, isHeard: heard.contains($0.member))
            })
    }

    // MARK: waiting

    private func finish(_ asked: Asked, _ client: TapeClient) throws -> ExitCode {
        let waits = command.waitSeconds != nil && !asked.groups.isEmpty
        if !command.asJSON { terminal.line(sentence(asked)) }
        guard waits, let seconds = command.waitSeconds else {
            if command.asJSON { report(asked, asked.isDrain ? "asked" : "released", nil) }
            return .success
        }
        let clock = SystemClock()
        let end = clock.monotonic() + Int64(seconds) * Self.nanosecondsPerSecond
        var line = ProgressLine(terminal, asJSON: command.asJSON)
        defer { line.end() }
        while true {
            // It listens for a while, so that this loop needs no pause.
            let members = try GroupDirectory(client).members
            let progress = DrainProgress(
                members, of: command.member, in: asked.groups, isDrain: asked.isDrain)
            line.show { progress.text }
            if progress.isDone {
                line.end()
                if !command.asJSON { terminal.line(progress.text) }
                return done(asked, progress, measured(asked.pauses, client))
            }
            guard !shutdown.isRequested, clock.monotonic() < end else {
                line.end()
                return open(asked, progress, seconds)
            }
        }
    }

    /// Looks at the tape until each new owner has published, for a while: a quiet market has
    /// nothing to publish.
    private func measured(
        _ noted: HandoverPauses?, _ client: TapeClient
    ) -> [HandoverPauses.Answer] {
        guard var pauses = noted else { return [] }
        let end = SystemClock().deadline(after: Self.pausePatience)
        let isEnding = { shutdown.isRequested || SystemClock().remaining(until: end) == .zero }
        do {
            while true {
                try pauses.look(until: isEnding)
                guard !pauses.answers.allSatisfy(\.isWhole), !isEnding() else { break }
                // It listens for a while, so that this loop needs no pause.
                _ = try GroupDirectory(client)
            }
        } catch {
            terminal.problem("the pause of the tape is not known of all: \(error)")
        }
        return pauses.answers
    }

    private func done(
        _ asked: Asked, _ progress: DrainProgress, _ pauses: [HandoverPauses.Answer]
    ) -> ExitCode {
        if command.asJSON {
            report(asked, asked.isDrain ? "drained" : "ready", progress, pauses)
        } else {
            for pause in pauses { terminal.line(pause.text) }
        }
        return .success
    }

    private func open(_ asked: Asked, _ progress: DrainProgress, _ seconds: Int) -> ExitCode {
        if command.asJSON { report(asked, "waiting", progress) }
        let isAsked = shutdown.isRequested
        let when = isAsked ? "interrupted" : "not done after \(seconds) s"
        let stays = asked.isDrain ? "; the request stays" : ""
        terminal.problem("\(when): \(progress.text)\(progress.doubt)\(stays)")
        return isAsked ? .interrupted : .temporary
    }

    // MARK: text

    private func sentence(_ asked: Asked) -> String {
        let name = command.member
        guard asked.isDrain else {
            return asked.groups.isEmpty
                ? "\(name) is released; it is not heard now, and takes partitions when it starts"
                : "\(name) is released, and takes partitions of "
                    + "\(asked.groups.map(\.text).joined(separator: ", ")) again"
        }
        return "\(name) hands over what it owns of "
            + "\(asked.groups.map(\.text).joined(separator: ", ")), and takes nothing until "
            + "'tapeline member release \(name)'"
    }

    private func report(
        _ asked: Asked, _ outcome: String, _ progress: DrainProgress?,
        _ pauses: [HandoverPauses.Answer] = []
    ) {
        terminal.line(
            JSONWriter.made { json in
                json.member("member", command.member.text)
                json.member("groups", values: asked.groups.map(\.text))
                json.member("outcome", outcome)
                if let cause = asked.cause { cause.report(into: &json) }
                if let progress {
                    json.member("held", progress.held)
                    json.member("state", progress.text)
                }
                if !pauses.isEmpty {
                    json.array("pauses", of: pauses) { json, pause in pause.report(into: &json) }
                }
            }.text)
    }
}

extension DrainCause {
    /// Writes it for a program that reads the tool's output.
    func report(into json: inout JSONWriter) {
        json.member("reason", reason)
        json.member("by", requester)
        json.member("asked", asked.description)
        json.member("forced", isForced)
    }
}
