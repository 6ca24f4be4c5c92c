import { existsSync } from 'node:fs'
import { sockConformance } from '@sockman/core/conformance'
import { describe, test } from 'vitest'
import { backend } from '../src/index'

const { socks, createSockMan } = backend
const isOpen = (fd: number) => existsSync(`/proc/self/fd/${fd}`)
sockConformance({ ...socks, createSockMan, isOpen }, { describe, test })
