internal import CLinux
internal import Glibc

/// The arguments of one call of `posix_spawn`.
struct SpawnPlan {
    let command: [String]
    let environment: [String]
    let workingDirectory: String?
    let log: Int32
    let hasOwnGroup: Bool

    func run() throws(ServiceError) -> Int32 {
        guard (command + environment).allSatisfy({ !$0.utf8.contains(0) }) else {
            throw failed(EINVAL)
        }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        try check(unsafe prepare(&actions))
        try check(prepare(&attributes))
        var id: pid_t = 0
        let arguments = CStrings(command)
        let variables = CStrings(environment)
        let result = withExtendedLifetime((arguments, variables)) {
            unsafe posix_spawn(
                &id, command[0], &actions, &attributes, arguments.pointers, variables.pointers)
        }
        try check(result)
        return id
    }

    /// Returns the first result that is not 0.
    private func prepare(_ actions: inout posix_spawn_file_actions_t) -> Int32 {
        var results = [
            unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0),
            unsafe posix_spawn_file_actions_adddup2(&actions, log, 1),
            unsafe posix_spawn_file_actions_adddup2(&actions, log, 2),
            unsafe shim_spawn_closing_from(&actions, 3),
        ]
        if let workingDirectory {
            results.append(unsafe shim_spawn_in_folder(&actions, workingDirectory))
        }
        return results.first { $0 != 0 } ?? 0
    }

    /// Our threads block signals and ignore SIGPIPE; a new program expects neither.
    private func prepare(_ attributes: inout posix_spawnattr_t) -> Int32 {
        var none = sigset_t()
        unsafe sigemptyset(&none)
        var all = sigset_t()
        unsafe sigfillset(&all)
        var flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        if hasOwnGroup { flags |= POSIX_SPAWN_SETPGROUP }
        let results = [
            unsafe posix_spawnattr_setsigmask(&attributes, &none),
            unsafe posix_spawnattr_setsigdefault(&attributes, &all),
            unsafe posix_spawnattr_setpgroup(&attributes, 0),
            unsafe posix_spawnattr_setflags(&attributes, Int16(flags)),
        ]
        return results.first { $0 != 0 } ?? 0
    }

    private func check(_ result: Int32) throws(ServiceError) {
        if result != 0 { throw failed(result) }
    }

    private func failed(_ code: Int32) -> ServiceError {
        .spawn(program: command[0], SystemErrorCode(rawValue: code))
    }
}
