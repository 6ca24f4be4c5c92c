import { existsSync } from 'node:fs'
import { sockConformance } from '@sockman/core/conformance'
import { describe, test } from 'vitest'
import { backend } from '../src/index'

sockConformance({ ...backend.socks, isOpen: (fd) => existsSync(`/proc/self/fd/${fd}`) }, { describe, test })
